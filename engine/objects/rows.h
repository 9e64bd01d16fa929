#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/task.h"
#include "engine/cluster/set_api.h"
#include "engine/objects/types.h"
#include "engine/objects/version_row.h"

/// What planners and queries of objects and files ask of a set's rows. References must outlive the await.
namespace flashstor::objects {

/// A version's row as it lies there.
struct FoundVersion {
  VersionId id;
  bool is_latest = true;
  std::string value;  ///< For decode_version.
};

/// The newest version of a key (a delete marker too).
Task<Result<std::optional<FoundVersion>>> find_newest(cluster::RowView& rows, const Uuid& bucket,
                                                      std::string_view key);
/// The version shown as `version_id`; the newest for an empty one.
Task<Result<std::optional<FoundVersion>>> find_version(cluster::RowView& rows, const Uuid& bucket,
                                                       std::string_view key, std::string_view version_id);

/// A bucket's state in one set.
struct Gate {
  std::uint64_t epoch = 0;
  Uuid frozen;  ///< Token of the deletion that froze it; nil when open.
  std::int64_t frozen_ns = 0;
};
[[nodiscard]] std::string encode_gate(const Gate& gate);
[[nodiscard]] Result<Gate> decode_gate(std::string_view bytes);
/// Refuses commands to a bucket that changed since the caller looked. Its caller holds `gate_key` shared.
/// Errors: kStale (look again and repeat), kConflict while the bucket is frozen (message: its
/// token, then `fresh` or `expired`).
Task<Result<void>> check_gate(cluster::RowView& rows, const Uuid& bucket, std::uint64_t epoch);

/// The row that keeps `data` for `referrer`; nil: for the version that it was written with, which needs one
/// as soon as another uses the data too.
[[nodiscard]] RowChange reference_row(const DataRef& data, const Uuid& referrer);
/// Whether it is such a row for the version that the data was written with.
[[nodiscard]] bool is_own_reference(const RowChange& change);
/// The row that a command writes uses data by the references of `slices`: notes so beside it. Errors:
/// kTimeout when these were taken so long ago that they may be gone.
Task<Result<void>> use_references(cluster::RowView& rows, const std::vector<Slice>& slices,
                                  std::vector<RowChange>& changes);

/// A use of data that is over although others may use the data still: its row in Family::kRefs goes next.
struct DroppedReference {
  DataRef data;
  Uuid referrer;
};
/// Adds to `changes` what frees the data of `row`, and its rows of Family::kExtents; what is shared goes to
/// `drops` (with an intent row in `changes`), for ObjectStore to drop after the command.
Task<Result<void>> release_data(cluster::RowView& rows, const VersionRow& row, WallTime now,
                                std::vector<RowChange>& changes, std::vector<DroppedReference>& drops);
/// The same for slices without a version row (a part of an upload).
Task<Result<void>> release_slices(cluster::RowView& rows, const std::vector<Slice>& slices, WallTime now,
                                  std::vector<RowChange>& changes, std::vector<DroppedReference>& drops);

/// A version about to be the newest of its key.
struct NewVersion {
  Uuid bucket;
  std::string key;
  Versioning versioning = Versioning::kUnversioned;
  VersionRow row;                     ///< Without id, null flag and time: they are given here.
  bool has_data = false;              ///< The command carries or staged data: it may be voided.
  std::vector<RowChange> beside;      ///< Rows that come with it (slices row).
  std::vector<RowChange> on_confirm;  ///< Rows that go once it is confirmed.
  /// Set when the new version keeps data of the null version that it replaces (files): only this goes.
  std::optional<std::vector<Slice>> releases;
};
/// What a planner of this file tells its caller.
struct VersionOutcome {
  VersionId id;
  bool is_null = false;
  bool is_delete_marker = false;
  bool existed = true;
  bool more = false;  ///< Of a sweep: there is more to sweep.
  Uuid upload_id;     ///< Of an upload made.
  std::string foreign_id;
  std::vector<DroppedReference> drops;
  std::string etag;  ///< Of a completed upload.
  std::uint64_t size = 0;
  Checksum checksum;
  [[nodiscard]] std::string shown_id() const;
};
[[nodiscard]] std::string encode_outcome(const VersionOutcome& outcome);
[[nodiscard]] Result<VersionOutcome> decode_outcome(std::string_view bytes);

/// The plan that makes `version` the newest of its key and removes what it replaces. `newest` is what
/// find_newest gave. Adds to `outcome`; the response is left to the caller.
Task<Result<cluster::Plan>> plan_new_version(cluster::RowView& rows, NewVersion version,
                                             const std::optional<FoundVersion>& newest,
                                             VersionOutcome& outcome);
/// Adds the removal of the version `id`, which has the row `row` (its data, mapping and hidden predecessor)
/// to `plan.changes`. `versioning`: the bucket's.
Task<Result<void>> plan_remove_version(cluster::RowView& rows, const Uuid& bucket, std::string_view key,
                                       const VersionId& id, const VersionRow& row, Versioning versioning,
                                       cluster::Plan& plan, VersionOutcome& outcome);

/// If-* of a write against the newest version. Errors: kPreconditionFailed, kNoSuchKey.
[[nodiscard]] Result<void> check_write_conditions(const Conditions& conditions,
                                                  const std::optional<VersionHeader>& existing);
/// If-* of a read. Errors: kPreconditionFailed, kNotModified.
[[nodiscard]] Result<void> check_read_conditions(const Conditions& conditions, const VersionHeader& existing);
/// The same as the source of a copy: what is kNotModified in a read is kPreconditionFailed here.
[[nodiscard]] Result<void> check_source_conditions(const Conditions& conditions,
                                                   const VersionHeader& existing);

/// The locks of a command that writes versions of `key`: the key alone, the bucket's gate shared.
[[nodiscard]] std::vector<cluster::LockName> write_locks(const Uuid& bucket, std::string_view key);

}  // namespace flashstor::objects
