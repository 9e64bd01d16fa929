#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/objects/bucket_cache.h"
#include "engine/objects/object_store.h"
#include "engine/objects/payloads.h"
#include "engine/objects/version_cache.h"

namespace flashstor::objects {

/// Object bytes that came in, were checked and are ready to be committed.
struct TakenBody {
  DataRef data;  ///< kNone for no bytes, kLog with `bytes`, kFile when staged.
  BufferChain bytes;
  std::uint64_t size = 0;
  std::string md5_hex;
  Checksum checksum;
};
struct BodyWork {
  BodySource* body = nullptr;
  std::string expected_md5;
  std::string expected_sha256;
  Checksum checksum;
  std::function<std::optional<Checksum>()> trailing_checksum;
  StorageClass storage_class = StorageClass::kStandard;
  std::uint64_t max_bytes = 0;
};

/// What the operations of ObjectStore share; its friend.
struct StoreParts {
  ObjectStore& store;

  [[nodiscard]] cluster::ClusterApi& cluster() const { return store.cluster_; }
  [[nodiscard]] Random& random() const { return store.random_; }
  [[nodiscard]] const StoreOptions& options() const { return store.options_; }
  [[nodiscard]] BucketCache& buckets() const { return *store.buckets_; }
  [[nodiscard]] VersionCache& versions() const { return *store.versions_; }
  [[nodiscard]] async::Gate& gate() const { return store.gate_; }
  [[nodiscard]] BucketEpoch& epoch() const { return store.epoch_; }
  [[nodiscard]] cluster::SetApi& set_of(const Bucket& bucket, const std::string& key) const {
    return cluster().set_for(bucket.id, key);
  }

  /// Pulls the body, hashes it, stages what is large and verifies all that is expected of it.
  Task<Result<TakenBody>> take_body(cluster::SetApi& set, BodyWork work) const;

  /// Runs a command of a bucket in the set of its key, again when the bucket changed meanwhile, then drops
  /// the references that it gave up. `make` gives the payload for the bucket as it is.
  using MakePayload = std::function<std::string(const Target&)>;
  struct Change {
    ObjectCommand kind{};
    std::string key;
    MakePayload make;
    DataRef data{};
    BufferChain bytes{};
    std::vector<cluster::LockName> locks{};  ///< Empty: those of a write of the key.
    Uuid referrer{};                         ///< Of the references that the row uses: locked besides.
  };
  Task<Result<VersionOutcome>> change(BucketRef bucket, Change change) const;

  /// Reads a version's row. Errors: kNoSuchKey, kNoSuchVersion.
  struct ReadRow {
    VersionRow row;
    bool is_latest = true;
  };
  Task<Result<ReadRow>> read_row(const Bucket& bucket, const std::string& key,
                                 const std::string& version_id) const;
  /// Brings slices and parts of a separate row into `row`.
  Task<Result<void>> inflate(const Bucket& bucket, const std::string& key, VersionRow& row) const;

  /// Takes references for another user of the data of `slices`, which belongs to the version `source` of
  /// `key`; gives the slices as the new user keeps them. Its row in the set `home` must be written within
  /// kReferenceKeep; then settle_references, or give_back when it surely was not. What neither came to is
  /// decided by a sweep.  Source: protocol.md, Data that is shared.
  Task<Result<std::vector<Slice>>> add_references(const Bucket& bucket, const std::string& key,
                                                  const VersionId& source, std::vector<Slice> slices,
                                                  std::uint32_t home) const;
  /// The row that uses these references stands.
  Task<void> settle_references(std::uint32_t home, const std::vector<Slice>& slices) const;
  Task<Result<std::size_t>> sweep_taken(std::uint32_t at, WallTime now) const;
  Task<Result<void>> forget_referrers(WallTime now) const;
  /// Takes back what add_references took.
  Task<void> give_back(cluster::SetApi& home, const std::vector<Slice>& slices) const;
  Task<void> drop_references(std::uint32_t home_set, std::vector<DroppedReference> drops) const;

  /// What a copy reads from. Retries nothing.
  struct Source {
    BucketRef bucket;
    std::string key;
    VersionRow row;
    bool is_latest = true;
  };
  Task<Result<Source>> find_source(std::string bucket, std::string key, std::string version_id,
                                   const Conditions& conditions) const;
  /// Slices [offset, offset + length) of a source, referred to once more.
  /// `home`: the set of the row that is to use them.
  Task<Result<std::vector<Slice>>> share(const Source& source, std::uint64_t offset, std::uint64_t length,
                                         std::uint32_t home) const;
  /// Errors: kConflict when the source changed meanwhile; else as ObjectStore::copy_object.
  Task<Result<CopyResult>> copy(const CopyRequest& request) const;
  struct Digested {
    std::string md5_hex;
    std::string checksum;
  };
  /// Reads the bytes and computes their digests.
  Task<Result<Digested>> digest(const Source& source, std::uint64_t offset, std::uint64_t length,
                                ChecksumKind kind) const;

  /// Reads, changes and writes back a bucket's record until nobody else came between. With `raise` every set
  /// learns of it before it returns.
  using Mutate = std::function<Result<void>(Bucket&)>;
  Task<Result<BucketRef>> change_bucket(std::string name, Mutate mutate, bool raise) const;
  /// A gate met frozen with this message: undoes a deletion that never ended. True: try again.
  Task<Result<bool>> settle_frozen(std::string name, std::string message) const;
  Task<Result<void>> set_gates(const Uuid& bucket, GatePayload::Action action, std::uint64_t epoch,
                               Uuid token) const;
  Task<Result<void>> abort_all_uploads(BucketRef bucket) const;
  /// Runs kAbortUpload until nothing is left to sweep.
  Task<Result<void>> sweep_upload(BucketRef bucket, std::string key, Uuid upload,
                                  AbortUploadPayload::Mode mode) const;
};

/// What a command locks besides for each referrer whose references its row uses: what became of the referrer
/// is then neither told nor decided otherwise while the command is under way or undecided.
[[nodiscard]] cluster::LockName referrer_lock(const Uuid& referrer);
/// Whose references StoreParts::add_references gave to `slices`; nil: nobody's.
[[nodiscard]] Uuid referrer_of(const std::vector<Slice>& slices);

/// `row` as a door shows it.
[[nodiscard]] VersionRef make_known(const Bucket& bucket, std::string key, VersionRow row, bool is_latest);
[[nodiscard]] Result<void> check_attributes(const ObjectAttributes& attributes);
/// Chooses the layout: slices in the row, or (many) in one of their own, which it gives.
[[nodiscard]] std::string place_slices(VersionRow& row, std::vector<Slice> slices,
                                       std::vector<PartInfo> parts, Random& random);

}  // namespace flashstor::objects
