#include "engine/async/runtime.h"
#include "engine/base/hex.h"
#include "engine/codec/checksum.h"
#include "engine/objects/checksums.h"
#include "engine/objects/digest_pool.h"
#include "engine/objects/limits.h"
#include "engine/objects/store_parts.h"
#include "engine/storage/data_id.h"

namespace flashstor::objects {
namespace {

// The digests of one body as it passes.
class Digests {
 public:
  Digests(bool with_sha256, ChecksumKind kind)
      : sha256_(with_sha256 ? codec::make_hasher(codec::ChecksumKind::kSha256) : nullptr),
        checksum_(kind != ChecksumKind::kNone ? codec::make_hasher(codec_kind(kind)) : nullptr) {}
  void update(const Buffer& bytes) {
    md5_.update(bytes.span());
    if (sha256_) sha256_->update(bytes.span());
    if (checksum_) checksum_->update(bytes.span());
  }
  [[nodiscard]] DigestPool::Streams streams() {
    return {.md5 = &md5_, .others = {sha256_.get(), checksum_.get()}};
  }
  codec::Md5 md5_;
  std::unique_ptr<codec::Hasher> sha256_;
  std::unique_ptr<codec::Hasher> checksum_;
};

// Large pieces are hashed on the pool, each while the next one comes in.
class HashAhead {
 public:
  HashAhead(DigestPool* pool, Digests& digests) : pool_(pool), digests_(digests) {}
  HashAhead(const HashAhead&) = delete;
  HashAhead& operator=(const HashAhead&) = delete;

  Task<void> add(Buffer piece) {
    co_await settle();
    if (pool_ == nullptr || piece.size() < limits::kHashAsideBytes) {
      digests_.update(piece);
      co_return;
    }
    running_ = true;
    async::start_detached(run(std::move(piece)));
  }
  /// Until nothing is being hashed: before the digests are looked at, and before this is destroyed.
  Task<void> settle() {
    while (running_) co_await done_.wait();
  }

 private:
  Task<void> run(Buffer piece) {
    co_await pool_->update(digests_.streams(), piece.span());
    running_ = false;
    done_.notify_all();
  }
  DigestPool* pool_;
  Digests& digests_;
  bool running_ = false;
  async::Signal done_;
};

std::unexpected<Error> bad_digest(const char* words) { return fail(ErrorCode::kBadDigest, words); }

// Compares what came with what was said, and fills in what the row will keep.
Result<void> verify(Digests& digests, BodyWork& work, TakenBody& taken) {
  const std::string md5 = digests.md5_.finish();
  if (!work.expected_md5.empty() && work.expected_md5 != md5)
    return bad_digest("The Content-MD5 you specified did not match what we received.");
  if (digests.sha256_ && digests.sha256_->finish() != work.expected_sha256)
    return bad_digest("The provided 'x-amz-content-sha256' header does not match what was computed.");
  taken.md5_hex = base::to_hex(md5);
  taken.checksum = {.kind = work.checksum.kind, .composite = false, .value = {}};
  if (!digests.checksum_) return {};
  taken.checksum.value = digests.checksum_->finish();
  std::string expected = work.checksum.value;
  if (work.trailing_checksum) {
    const auto trailing = work.trailing_checksum();
    if (trailing && trailing->kind == work.checksum.kind) expected = trailing->value;
  }
  if (!expected.empty() && expected != taken.checksum.value)
    return bad_digest("The checksum you specified did not match the calculated checksum.");
  return {};
}

Geometry geometry_of(const cluster::SetInfo& info, StorageClass storage_class) {
  const std::uint8_t parity =
      storage_class == StorageClass::kReducedRedundancy ? info.reduced_parity : info.default_parity;
  return {.data_shards = static_cast<std::uint8_t>(info.drives - parity), .parity_shards = parity};
}

// Where the bytes go: into memory while they are few, to the drives from then on.
class Intake {
 public:
  Intake(cluster::SetApi& set, const StoreOptions& options, StorageClass storage_class, DataId id)
      : set_(set), options_(options), id_(id), geometry_(geometry_of(set.info(), storage_class)) {}

  Task<Result<void>> add(Buffer bytes, std::optional<std::uint64_t> length) {
    size_ += bytes.size();
    held_.append(std::move(bytes));
    if (!stage_ && size_ <= options_.inline_bytes) co_return {};
    if (!stage_) stage_ = co_await or_return(set_.stage(id_, geometry_, length.value_or(0)));
    if (held_.size() < options_.write_window_bytes) co_return {};
    co_return co_await stage_->write(std::exchange(held_, {}));
  }

  /// `inline_id` names what rides in the log.
  Task<Result<void>> finish(TakenBody& taken, DataId inline_id) {
    taken.size = size_;
    if (size_ == 0) co_return {};
    if (stage_) {
      if (!held_.empty()) co_await or_return(stage_->write(std::exchange(held_, {})));
      taken.data = co_await or_return(stage_->finish());
      co_return {};
    }
    taken.data = {.id = inline_id,
                  .set = set_.info().index,
                  .geometry = geometry_,
                  .place = DataPlace::kLog,
                  .length = size_};
    taken.bytes = std::move(held_);
    co_return {};
  }

  Task<void> abort() {
    if (stage_) co_await stage_->abort();
  }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  cluster::SetApi& set_;
  const StoreOptions& options_;
  DataId id_;
  Geometry geometry_;
  std::unique_ptr<cluster::StageApi> stage_;
  BufferChain held_;
  std::uint64_t size_ = 0;
};

Task<Result<void>> pull(BodyWork& work, HashAhead& hashing, Intake& intake) {
  const auto length = work.body->length();
  if (length && *length > work.max_bytes)
    co_return fail(ErrorCode::kEntityTooLarge, "Your proposed upload exceeds the maximum allowed size");
  for (;;) {
    auto piece = co_await or_return(work.body->next());
    if (!piece) break;
    co_await hashing.add(*piece);
    co_await or_return(intake.add(std::move(*piece), length));
    if (intake.size() > work.max_bytes)
      co_return fail(ErrorCode::kEntityTooLarge, "Your proposed upload exceeds the maximum allowed size");
  }
  if (length && intake.size() != *length)
    co_return fail(ErrorCode::kIncompleteBody,
                   "You did not provide the number of bytes specified by the Content-Length HTTP header");
  co_return {};
}

}  // namespace

Task<Result<TakenBody>> StoreParts::take_body(cluster::SetApi& set, BodyWork work) const {
  if (!work.checksum.value.empty() && work.checksum.value.size() != checksum_bytes(work.checksum.kind))
    co_return fail(ErrorCode::kInvalidDigest, "A checksum of the wrong length.");
  Digests digests(!work.expected_sha256.empty(), work.checksum.kind);
  HashAhead hashing(options().digests, digests);
  Intake intake(set, options(), work.storage_class, Uuid::make(random()));
  TakenBody taken;
  Result<void> result{};
  if (work.body != nullptr) result = co_await pull(work, hashing, intake);
  co_await hashing.settle();
  if (result) result = verify(digests, work, taken);
  if (result)
    result =
        co_await intake.finish(taken, storage::make_log_data_id(Runtime::current()->wall_now(), random()));
  if (!result) {
    co_await intake.abort();
    co_return std::unexpected(result.error());
  }
  co_return taken;
}

}  // namespace flashstor::objects
