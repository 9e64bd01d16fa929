#include "engine/cluster/raft/message_codec.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "engine/base/codec.h"
#include "engine/cluster/raft/limits.h"

namespace flashstor::cluster::raft {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::uint8_t kRefused = 1;
constexpr std::uint8_t kTransfer = 2;
constexpr std::uint8_t kPlainEntry = 0;
constexpr std::uint8_t kMembershipEntry = 1;

void write_ids(ByteWriter& out, const std::vector<MemberId>& ids) {
  out.varint(ids.size());
  for (const MemberId id : ids) out.varint(id);
}

std::vector<MemberId> read_ids(ByteReader& in, std::size_t max) {
  const std::uint64_t count = in.varint();
  if (count > max) in.mark_bad();
  std::vector<MemberId> ids;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::uint64_t id = in.varint();
    if (id == 0 || id > UINT32_MAX || (!ids.empty() && ids.back() >= id)) in.mark_bad();
    ids.push_back(static_cast<MemberId>(id));
  }
  return ids;
}

void write_entry(ByteWriter& out, const Entry& entry) {
  out.varint(entry.term);
  if (entry.membership != nullptr) {
    out.u8(kMembershipEntry).bytes(encode_membership(*entry.membership));
  } else {
    out.u8(kPlainEntry).bytes(entry.payload.view());
  }
}

bool read_entry(ByteReader& in, const Buffer& whole, Entry& entry) {
  entry.term = in.varint();
  const std::uint8_t kind = in.u8();
  const std::string_view body = in.bytes();
  if (!in.ok() || body.size() > limits::kMaxEntryBytes) return false;
  if (kind == kPlainEntry) {
    if (!body.empty())
      entry.payload = whole.slice(static_cast<std::size_t>(body.data() - whole.view().data()), body.size());
    return true;
  }
  if (kind != kMembershipEntry) return false;
  auto membership = decode_membership(body);
  if (!membership) return false;
  entry.membership = std::make_shared<const Membership>(std::move(*membership));
  return true;
}

}  // namespace

std::string encode_membership(const Membership& membership) {
  ByteWriter out;
  write_ids(out, membership.voters);
  write_ids(out, membership.standbys);
  return out.take();
}

Result<Membership> decode_membership(std::string_view bytes) {
  ByteReader in(bytes);
  Membership out;
  out.voters = read_ids(in, limits::kMaxVoters);
  out.standbys = read_ids(in, limits::kMaxStandbys);
  const bool overlap =
      std::any_of(out.standbys.begin(), out.standbys.end(), [&out](MemberId id) { return out.is_voter(id); });
  if (!in.ok() || !in.at_end() || out.voters.empty() || overlap)
    return fail(ErrorCode::kMalformed, "membership");
  return out;
}

std::string encode(const Message& message) {
  ByteWriter out;
  out.u8(kFormat).u8(static_cast<std::uint8_t>(message.type));
  out.u8(static_cast<std::uint8_t>((message.refused ? kRefused : 0) | (message.transfer ? kTransfer : 0)));
  out.varint(message.from).varint(message.to).varint(message.generation).varint(message.term);
  out.varint(message.log_index).varint(message.log_term).varint(message.hint_index).varint(message.commit);
  out.varint(message.number).varint(message.entries.size());
  for (const Entry& entry : message.entries) write_entry(out, entry);
  return out.take();
}

Result<Message> decode(const Buffer& bytes) {
  if (bytes.size() > limits::kMaxMessageBytes)
    return fail(ErrorCode::kMalformed, "consensus message too long");
  ByteReader in(bytes.view());
  Message out;
  const std::uint8_t format = in.u8();
  const std::uint8_t type = in.u8();
  const std::uint8_t flags = in.u8();
  const std::uint64_t from = in.varint();
  const std::uint64_t to = in.varint();
  out.generation = in.varint();
  out.term = in.varint();
  out.log_index = in.varint();
  out.log_term = in.varint();
  out.hint_index = in.varint();
  out.commit = in.varint();
  out.number = in.varint();
  const std::uint64_t count = in.varint();
  const bool known = type >= static_cast<std::uint8_t>(MessageType::kPreVote) &&
                     type <= static_cast<std::uint8_t>(MessageType::kTimeoutNow);
  if (!in.ok() || format != kFormat || !known || (flags & ~(kRefused | kTransfer)) != 0 || from == 0 ||
      from > UINT32_MAX || to == 0 || to > UINT32_MAX || count > limits::kMaxAppendEntries ||
      (count != 0 && type != static_cast<std::uint8_t>(MessageType::kAppend))) {
    return fail(ErrorCode::kMalformed, "consensus message");
  }
  out.type = static_cast<MessageType>(type);
  out.refused = (flags & kRefused) != 0;
  out.transfer = (flags & kTransfer) != 0;
  out.from = static_cast<MemberId>(from);
  out.to = static_cast<MemberId>(to);
  for (std::uint64_t i = 0; i < count; ++i) {
    Entry entry;
    entry.index = out.log_index + 1 + i;
    if (!read_entry(in, bytes, entry)) return fail(ErrorCode::kMalformed, "consensus entry");
    out.entries.push_back(std::move(entry));
  }
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::kMalformed, "consensus message");
  return out;
}

}  // namespace flashstor::cluster::raft
