#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "engine/storage/rest_storage.h"

namespace flashstor::storage {

/// Serves this node's drives to peers: the other end of RestStorage.
/// Threads: any loop.
class StorageServer {
 public:
  /// `drive` is served until `remove_all`, while `takes_part` says so (before it was recovered it has no
  /// index); information about it always.
  void add(
      std::uint32_t set, std::uint32_t slot, StorageApi& drive,
      std::function<bool()> takes_part = [] { return true; });
  /// Nothing is served any more; waits for nothing: calls under way hold the drive's owner off (see busy).
  void remove_all();
  /// Calls under way.
  [[nodiscard]] std::size_t busy() const { return busy_.load(); }
  /// Answers one call of the storage channel. Errors: kMalformed, kNotFound (no such drive here), the
  /// drive's.
  Task<Result<wire::Payload>> handle(wire::Method method, wire::Payload request);

 private:
  Task<Result<wire::Payload>> run(StorageApi& drive, wire::Method method, ByteReader in,
                                  wire::Payload& request);
  Task<Result<wire::Payload>> stage(StorageApi& drive, wire::Method method, ByteReader in,
                                    wire::Payload& request);
  struct Served {
    StorageApi* drive = nullptr;
    std::function<bool()> takes_part;
  };
  StorageApi* find(std::uint32_t set, std::uint32_t slot, bool any);

  std::mutex mutex_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Served> drives_;
  std::atomic<std::size_t> busy_{0};
};

}  // namespace flashstor::storage
