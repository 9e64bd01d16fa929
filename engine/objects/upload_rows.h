#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/cluster/set_api.h"
#include "engine/objects/queries.h"
#include "engine/objects/version_row.h"

/// Rows of Family::kUploads, and how they are read.
namespace flashstor::objects {

enum class UploadState : std::uint8_t { kOpen = 0, kCompleted = 1, kAborted = 2 };

/// An upload. It stays for 24 hours after its completion, so that a repeated Complete gets its answer.
struct UploadRow {
  UploadState state = UploadState::kOpen;
  VersionRow object;                ///< Attributes, checksum kind; created_ns is when it was initiated.
  std::string outcome;              ///< Completed: the encoded VersionOutcome.
  std::int64_t ended_ns = 0;        ///< Completed.
  std::vector<std::uint32_t> used;  ///< Completed: parts whose data is the object's now.
};
[[nodiscard]] std::string encode_upload(const UploadRow& row);
[[nodiscard]] Result<UploadRow> decode_upload(std::string_view bytes);

struct PartRow {
  PartInfo part;
  std::vector<Slice> slices;
  std::int64_t created_ns = 0;
};
[[nodiscard]] std::string encode_part(const PartRow& row);
[[nodiscard]] Result<PartRow> decode_part(std::string_view bytes);

/// The row of an upload. Errors: kNoSuchUpload.
Task<Result<UploadRow>> find_upload(cluster::RowView& rows, const Uuid& bucket, std::string_view key,
                                    const Uuid& upload);
/// Parts with numbers above `after`, at most `max` of them.
Task<Result<std::vector<PartRow>>> scan_parts(cluster::RowView& rows, const Uuid& bucket,
                                              std::string_view key, const Uuid& upload, std::uint32_t after,
                                              std::size_t max);

struct UploadQuestion {
  Uuid bucket;
  std::string key;
  Uuid upload;
  std::uint32_t after_part = 0;
  std::uint32_t max_parts = 0;
};
struct UploadAnswer {
  UploadRow upload;
  std::vector<PartRow> parts;
};
/// Errors: kNoSuchUpload, also when it has ended.
Task<Result<UploadAnswer>> ask_upload(cluster::SetApi& set, UploadQuestion question);

struct UploadItem {
  bool is_prefix = false;
  std::string key;
  Uuid upload;
  UploadRow row;
};
struct UploadScan {
  Uuid bucket;
  std::string prefix;
  std::string delimiter;
  std::string start;
  std::uint32_t max = 1000;
  bool with_ended = false;
};
Task<Result<std::vector<UploadItem>>> ask_uploads(cluster::SetApi& set, UploadScan scan);

void register_upload_queries(cluster::CommandRegistry& registry);

}  // namespace flashstor::objects
