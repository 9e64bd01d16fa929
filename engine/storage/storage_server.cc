#include "engine/storage/storage_server.h"

#include "engine/base/codec.h"
#include "engine/storage/wire/methods.h"

namespace flashstor::storage {
namespace {

using wire::Method;
using wire::Payload;

constexpr std::size_t kMaxIds = 65'536;

std::unexpected<Error> bad_request() {
  return fail(ErrorCode::kMalformed, "a peer's request does not parse");
}

std::vector<DataId> read_ids(ByteReader& in) {
  std::vector<DataId> ids;
  const std::uint64_t count = in.varint();
  if (count > kMaxIds) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) ids.push_back(Uuid::from_bytes(in.raw(16)));
  return ids;
}

class Busy {
 public:
  explicit Busy(std::atomic<std::size_t>& count) : count_(count) { count_.fetch_add(1); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() { count_.fetch_sub(1); }

 private:
  std::atomic<std::size_t>& count_;
};

}  // namespace

void StorageServer::add(std::uint32_t set, std::uint32_t slot, StorageApi& drive,
                        std::function<bool()> takes_part) {
  const std::lock_guard lock(mutex_);
  drives_[{set, slot}] = {.drive = &drive, .takes_part = std::move(takes_part)};
}

void StorageServer::remove_all() {
  const std::lock_guard lock(mutex_);
  drives_.clear();
}

StorageApi* StorageServer::find(std::uint32_t set, std::uint32_t slot, bool any) {
  const std::lock_guard lock(mutex_);
  const auto found = drives_.find({set, slot});
  if (found == drives_.end() || (!any && !found->second.takes_part())) return nullptr;
  return found->second.drive;
}

Task<Result<Payload>> StorageServer::handle(Method method, Payload request) {
  const Busy busy(busy_);
  ByteReader in(request.head.view());
  const auto set = static_cast<std::uint32_t>(in.varint());
  const auto slot = static_cast<std::uint32_t>(in.varint());
  if (!in.ok()) co_return bad_request();
  StorageApi* drive = find(set, slot, method == Method::kDriveInfo);
  if (drive == nullptr) co_return fail(ErrorCode::kDriveFailed, "this node does not have the drive");
  if (method >= Method::kStageOpen && method <= Method::kStageAbort)
    co_return co_await stage(*drive, method, in, request);
  co_return co_await run(*drive, method, in, request);
}

Task<Result<Payload>> StorageServer::stage(StorageApi& drive, Method method, ByteReader in,
                                           Payload& request) {
  if (method == Method::kStageOpen) {
    const DataRef data = decode_data_ref(in);
    const std::uint8_t shard = in.u8();
    const std::uint64_t expected = in.varint();
    if (!in.ok() || !in.at_end()) co_return bad_request();
    co_await or_return(drive.stage_open(data, shard, expected));
    co_return Payload();
  }
  const DataId id = Uuid::from_bytes(in.raw(16));
  const std::uint64_t number = method == Method::kStageAbort ? 0 : in.varint();
  if (!in.ok() || !in.at_end()) co_return bad_request();
  if (method == Method::kStageAppend) {
    if (number == 0) co_return bad_request();
    co_await or_return(drive.stage_append(id, request.body.flatten(), number));
  } else if (method == Method::kStageFinish) {
    co_await or_return(drive.stage_finish(id, number));
  } else {
    co_await or_return(drive.stage_abort(id));
  }
  co_return Payload();
}

Task<Result<Payload>> StorageServer::run(StorageApi& drive, Method method, ByteReader in, Payload& request) {
  ByteWriter out;
  switch (method) {
    case Method::kDriveInfo:
      encode_drive_info(out, drive.info());
      co_return wire::payload_of(out.take());
    case Method::kRefuse: {
      AppendBatch batch;
      batch.refusals_term = in.varint();
      batch.refusals = read_ids(in);
      if (!in.ok() || !in.at_end()) co_return bad_request();
      co_await or_return(drive.append(std::move(batch)));
      co_return Payload();
    }
    case Method::kGetRow: {
      const std::uint8_t family = in.u8();
      std::string key(in.bytes());
      if (!in.ok() || !in.at_end() || family >= kFamilies) co_return bad_request();
      const auto row = co_await or_return(drive.get_row(static_cast<Family>(family), std::move(key)));
      out.boolean(row.has_value()).bytes(row.value_or(std::string()));
      co_return wire::payload_of(out.take());
    }
    case Method::kReadShard: {
      const DataRef data = decode_data_ref(in);
      const auto first = static_cast<std::uint32_t>(in.varint());
      const auto count = static_cast<std::uint32_t>(in.varint());
      if (!in.ok() || !in.at_end()) co_return bad_request();
      Payload answer;
      Buffer blocks = co_await or_return(drive.read_shard(data, first, count));
      answer.body.append(std::move(blocks));
      co_return answer;
    }
    case Method::kVerifyShard: {
      const DataRef data = decode_data_ref(in);
      if (!in.ok() || !in.at_end()) co_return bad_request();
      co_await or_return(drive.verify_shard(data));
      co_return Payload();
    }
    case Method::kRestoreShard: {
      const DataRef data = decode_data_ref(in);
      const std::uint8_t shard = in.u8();
      const std::uint64_t term = in.varint();
      const std::uint64_t at = in.varint();
      if (!in.ok() || !in.at_end()) co_return bad_request();
      co_await or_return(drive.restore_shard(data, shard, term, at, std::move(request.body)));
      co_return Payload();
    }
    case Method::kHolds: {
      std::vector<DataId> ids = read_ids(in);
      if (!in.ok() || !in.at_end()) co_return bad_request();
      const Holdings holdings = co_await or_return(drive.holds(std::move(ids)));
      out.u64(holdings.incarnation);
      for (const bool held : holdings.held) out.boolean(held);
      co_return wire::payload_of(out.take());
    }
    case Method::kStaged: {
      for (const DataId& id : co_await or_return(drive.staged())) out.append(id.to_bytes());
      co_return wire::payload_of(out.take());
    }
    case Method::kInventory: {
      const DataId after = Uuid::from_bytes(in.raw(16));
      const std::uint64_t most = in.varint();
      if (!in.ok() || !in.at_end() || most > kMaxIds) co_return bad_request();
      for (const DataRef& data : co_await or_return(drive.inventory(after, most))) encode_data_ref(out, data);
      co_return wire::payload_of(out.take());
    }
    default:
      co_return fail(ErrorCode::kNotSupported, "this version does not know that call");
  }
}

}  // namespace flashstor::storage
