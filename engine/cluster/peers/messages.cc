#include "engine/cluster/peers/messages.h"

#include <fmt/format.h>

#include <cstdlib>

#include "engine/base/codec.h"
#include "engine/cluster/cluster.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/spread.h"
#include "engine/storage/wire/token.h"

namespace flashstor::cluster {
namespace {

constexpr std::size_t kMaxReports = 1024;
constexpr std::size_t kMaxLocks = 65'536;

std::unexpected<Error> bad(const char* what) { return fail(ErrorCode::kMalformed, what); }

std::string parity_words(std::uint8_t parity) {
  return parity == ClusterOptions::kDefaultParity ? "no --parity" : fmt::format("--parity {}", parity);
}

}  // namespace

std::string encode_hello(const Hello& hello) {
  ByteWriter out;
  out.u32(hello.protocol).bytes(hello.version).bytes(hello.node).bytes(hello.layout).u8(hello.parity);
  out.append(hello.deployment.to_bytes()).svarint(hello.clock).append(hello.process.to_bytes());
  out.bytes(hello.root);
  return out.take();
}

Result<Hello> decode_hello(std::string_view bytes) {
  ByteReader in(bytes);
  Hello hello;
  hello.protocol = in.u32();
  hello.version = in.bytes();
  hello.node = in.bytes();
  hello.layout = in.bytes();
  hello.parity = in.u8();
  hello.deployment = Uuid::from_bytes(in.raw(16));
  hello.clock = in.svarint();
  hello.process = Uuid::from_bytes(in.raw(16));
  // One of an older protocol ends here: what check_hello says of that is clearer than that it does not parse.
  if (!in.at_end()) hello.root = in.bytes();
  // A newer node may say more after this.
  if (!in.ok()) return bad("a peer's hello does not parse");
  return hello;
}

Result<void> check_hello(const Hello& own, const Hello& other) {
  if (own.protocol != other.protocol)
    return fail(ErrorCode::kConflict,
                fmt::format("{} speaks protocol {} (version {}), {} speaks {} (version {})", own.node,
                            own.protocol, own.version, other.node, other.protocol, other.version));
  if (const std::string words = difference_of(own.layout, other.layout); !words.empty())
    return fail(ErrorCode::kConflict, fmt::format("{} and {}: {}", own.node, other.node, words));
  if (own.parity != other.parity)
    return fail(ErrorCode::kConflict,
                fmt::format("{} was started with {} and {} with {}: it has to be the same on all nodes",
                            own.node, parity_words(own.parity), other.node, parity_words(other.parity)));
  // A user added through such a node could be opened by no other, and by none after a restart.
  if (!storage::wire::same_secret_text(own.root, other.root))
    return fail(ErrorCode::kConflict,
                fmt::format("{} was started with other root credentials than {}: FLASHSTORE_ROOT_USER and "
                            "FLASHSTORE_ROOT_PASSWORD have to be the same on all nodes",
                            own.node, other.node));
  if (!own.deployment.is_nil() && !other.deployment.is_nil() && own.deployment != other.deployment)
    return fail(ErrorCode::kConflict,
                fmt::format("the drives of {} are of deployment {}, those of {} of {}", own.node,
                            own.deployment.to_text(), other.node, other.deployment.to_text()));
  const std::int64_t apart = std::abs(own.clock / 1'000'000'000 - other.clock / 1'000'000'000);
  if (apart > storage::wire::kMaxClockSkewSeconds)
    return fail(ErrorCode::kConflict,
                fmt::format("the clocks of {} and {} are {} minutes apart; at most 15 are good", own.node,
                            other.node, apart / 60));
  if (own.process == other.process)
    return fail(ErrorCode::kConflict, fmt::format("{} is this process itself", other.node));
  return {};
}

std::string encode_reports(const std::vector<DriveReport>& reports) {
  ByteWriter out;
  out.varint(reports.size());
  for (const DriveReport& report : reports) {
    out.varint(report.set).varint(report.slot).u8(static_cast<std::uint8_t>(report.condition));
    out.append(report.deployment.to_bytes()).append(report.drive_id.to_bytes()).boolean(report.touched);
  }
  return out.take();
}

Result<std::vector<DriveReport>> decode_reports(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<DriveReport> reports;
  const std::uint64_t count = in.varint();
  if (count > kMaxReports) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    DriveReport report;
    report.set = static_cast<std::uint32_t>(in.varint());
    report.slot = static_cast<std::uint32_t>(in.varint());
    const std::uint8_t condition = in.u8();
    if (condition > static_cast<std::uint8_t>(storage::DriveCondition::kUnreadable)) {
      in.mark_bad();
      break;
    }
    report.condition = static_cast<storage::DriveCondition>(condition);
    report.deployment = Uuid::from_bytes(in.raw(16));
    report.drive_id = Uuid::from_bytes(in.raw(16));
    report.touched = in.boolean();
    reports.push_back(report);
  }
  if (!in.ok()) return bad("a peer's list of drives does not parse");
  return reports;
}

storage::wire::Payload encode_command(std::uint32_t set, const Command& command, std::uint32_t staged) {
  ByteWriter out;
  out.varint(set).varint(staged).u16(command.kind).append(command.request_id.to_bytes());
  out.bytes(command.payload).varint(command.locks.size());
  for (const LockName& lock : command.locks) out.bytes(lock.name).boolean(lock.exclusive);
  storage::encode_data_ref(out, command.data);
  out.boolean(command.keep_result);
  return storage::wire::payload_of(out.take(), command.bytes);
}

Result<ForwardedCommand> decode_command(const storage::wire::Payload& payload) {
  ByteReader in(payload.head.view());
  ForwardedCommand out;
  out.set = static_cast<std::uint32_t>(in.varint());
  out.staged = static_cast<std::uint32_t>(in.varint());
  out.command.kind = in.u16();
  out.command.request_id = Uuid::from_bytes(in.raw(16));
  out.command.payload = in.bytes();
  const std::uint64_t locks = in.varint();
  if (locks > kMaxLocks) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < locks; ++i) {
    LockName lock;
    lock.name = in.bytes();
    lock.exclusive = in.boolean();
    out.command.locks.push_back(std::move(lock));
  }
  out.command.data = storage::decode_data_ref(in);
  out.command.keep_result = in.boolean();
  out.command.bytes = payload.body;
  if (!in.ok() || !in.at_end()) return bad("a forwarded command does not parse");
  return out;
}

std::string encode_bad_shards(const BadShards& bad) {
  ByteWriter out;
  out.varint(bad.set).varint(bad.items.size());
  for (const HealItem& item : bad.items) {
    storage::encode_data_ref(out, item.data);
    out.varint(item.slots);
  }
  return out.take();
}

Result<BadShards> decode_bad_shards(std::string_view bytes) {
  ByteReader in(bytes);
  BadShards out;
  out.set = static_cast<std::uint32_t>(in.varint());
  const std::uint64_t count = in.varint();
  if (count > limits::kMaxHealReports) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    HealItem item{.data = storage::decode_data_ref(in), .slots = 0};
    item.slots = static_cast<std::uint32_t>(in.varint());
    out.items.push_back(item);
  }
  if (!in.ok() || !in.at_end()) return bad("a list of bad shards does not parse");
  return out;
}

std::string encode_slice_ids(const SliceIds& slices) {
  ByteWriter out;
  out.varint(slices.set).varint(slices.ids.size());
  for (const DataId& id : slices.ids) out.append(id.to_bytes());
  return out.take();
}

Result<SliceIds> decode_slice_ids(std::string_view bytes) {
  ByteReader in(bytes);
  SliceIds out;
  out.set = static_cast<std::uint32_t>(in.varint());
  const std::uint64_t count = in.varint();
  if (count > limits::kMaxFrees) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) out.ids.push_back(Uuid::from_bytes(in.raw(16)));
  if (!in.ok() || !in.at_end()) return bad("a list of slices does not parse");
  return out;
}

std::string encode_result(const CommandResult& result) {
  ByteWriter out;
  out.varint(result.revision).bytes(result.response);
  return out.take();
}

Result<CommandResult> decode_result(std::string_view bytes) {
  ByteReader in(bytes);
  CommandResult result;
  result.revision = in.varint();
  result.response = in.bytes();
  if (!in.ok() || !in.at_end()) return bad("the outcome of a forwarded command does not parse");
  return result;
}

}  // namespace flashstor::cluster
