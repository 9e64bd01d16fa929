#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/cluster/set_api.h"
#include "engine/objects/multipart_types.h"
#include "engine/objects/payloads.h"
#include "engine/objects/rows.h"

/// Reads of one set: in process by `with_rows`, otherwise as a query to the leader; the same code answers
/// both.
namespace flashstor::objects {

struct ListScan {
  Uuid bucket;
  std::string prefix;
  std::string delimiter;
  std::string start;  ///< Row key to begin at; empty: the prefix's first.
  bool with_versions = false;
  std::uint32_t max = 1000;
  std::string middle_key;  ///< `start` is in the middle of this key: none of its rows is the newest …
  VersionId middle_null;   ///< … and this is its null version, if it has one.
};
struct ListItem {
  bool is_prefix = false;
  ListedVersion entry;  ///< Of a prefix only the key.
};
struct ListPage {
  std::vector<ListItem> items;
  bool more = false;   ///< Stopped at `max`.
  std::string resume;  ///< Row key where the next page begins.
};
Task<Result<ListPage>> scan_list(cluster::RowView& rows, const ListScan& scan);

/// Where a listing begins that leaves out everything up to `marker`.
[[nodiscard]] std::string list_start_after(const Uuid& bucket, const std::string& prefix,
                                           const std::string& delimiter, const std::string& marker);

struct DocumentScan {
  std::string prefix;
  std::string after;
  std::uint32_t max = 1000;
};
struct DocumentRow {
  std::string path;
  std::string bytes;
  std::string revision;
};
Task<Result<std::vector<DocumentRow>>> scan_documents(cluster::RowView& rows, const DocumentScan& scan);

// From a set, wherever its leader is.
Task<Result<std::optional<FoundVersion>>> ask_version(cluster::SetApi& set, GetVersionPayload what);
Task<Result<ListPage>> ask_list(cluster::SetApi& set, ListScan scan);
Task<Result<std::vector<DocumentRow>>> ask_documents(cluster::SetApi& set, DocumentScan scan);
/// A row of Family::kExtents.
Task<Result<std::optional<std::string>>> ask_extent_row(cluster::SetApi& set, std::string key);

/// Keys of references to drop, after `after`, at most kMaxIntentsAPage.
Task<Result<std::vector<std::string>>> ask_drop_intents(cluster::SetApi& set, std::string after);
inline constexpr std::size_t kMaxIntentsAPage = 500;

void register_object_queries(cluster::CommandRegistry& registry);

}  // namespace flashstor::objects
