#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/async/task.h"
#include "engine/cluster/set_api.h"

namespace flashstor::objects {

/// Small documents in the system bucket: a persistent map from path to bytes. Buckets are kept in it under
/// `buckets/`; identities and configuration under paths of their own (it has the four methods that
/// IdentityBackend asks for; main adapts).
/// Order:   save, remove and replace are durable and visible on every node when they return.
/// Threads: one a loop.
class SystemStore {
 public:
  /// Both must outlive the store.
  SystemStore(cluster::ClusterApi& cluster, Random& random) : cluster_(cluster), random_(random) {}

  struct Document {
    std::string path;
    std::string bytes;
    std::string revision;  ///< Changes with each save; opaque.
  };

  /// nullopt when there is nothing at `path`.
  Task<Result<std::optional<std::string>>> load(std::string path);
  /// Errors: kEntityTooLarge, kKeyTooLong.
  Task<Result<void>> save(std::string path, std::string bytes);
  /// Nothing at `path` is success.
  Task<Result<void>> remove(std::string path);
  /// All paths that begin with `prefix`, in order.
  Task<Result<std::vector<std::string>>> list(std::string prefix);

  Task<Result<std::optional<Document>>> read(std::string path);
  /// Writes only over `revision` (empty: only where nothing is). Gives the new revision. Errors: kConflict.
  Task<Result<std::string>> replace(std::string path, std::string bytes, std::string revision);
  /// Errors: kConflict.
  Task<Result<void>> remove_if(std::string path, std::string revision);
  /// A page of documents under `prefix` with paths greater than `after`, in order.
  Task<Result<std::vector<Document>>> read_page(std::string prefix, std::string after, std::size_t max);

 private:
  cluster::ClusterApi& cluster_;
  Random& random_;
};

}  // namespace flashstor::objects
