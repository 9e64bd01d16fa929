#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/time.h"

namespace flashstor::cli {

struct BucketInfo {
  std::string name;
  WallTime created;
};

/// A key, or one version of it, as a listing or HEAD tells it.
struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  WallTime modified;
  std::string etag;  ///< Without quotes.
  std::string storage_class;
  std::string version_id;
  bool is_latest = true;
  bool is_delete_marker = false;
  // HEAD only.
  std::string content_type;
  std::map<std::string, std::string> metadata;  ///< Without `x-amz-meta-`.
  std::map<std::string, std::string> system;    ///< Cache-Control, Content-Encoding and the like.
};

struct ListPage {
  std::vector<ObjectInfo> objects;
  std::vector<std::string> prefixes;
  bool truncated = false;
  std::string next_token;       ///< Continuation token, or key marker of versions and uploads.
  std::string next_version_id;  ///< Version marker, or upload id marker.
};

struct UploadInfo {
  std::string key;
  std::string upload_id;
  WallTime started;
};

struct PartInfo {
  int number = 0;
  std::uint64_t size = 0;
  std::string etag;
};

/// Which object (or version of it) to delete, and what came of it.
struct DeleteTarget {
  std::string key;
  std::string version_id;
};
struct DeleteFailure {
  std::string key;
  std::string version_id;
  std::string code;
  std::string message;
};

using Tags = std::vector<std::pair<std::string, std::string>>;

}  // namespace flashstor::cli
