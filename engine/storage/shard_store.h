#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/storage/file_io.h"
#include "engine/storage/limits.h"
#include "engine/storage/shard_file.h"

namespace flashstor::storage {

/// The shard files of a drive: `staging/<data id>` until an entry names them, `shards/xx/<data id>` from then
/// on. Threads: any; all but `find_open` and `read_cached` may wait for the drive.
class ShardStore {
 public:
  ShardStore(FileIo& io, std::string drive) : io_(io), drive_(std::move(drive)) {}

  /// A shard file that is open, with its footer checked.
  struct OpenShard {
    ShardFooter footer;
    std::unique_ptr<File> file;    ///< Through the page cache.
    std::unique_ptr<File> direct;  ///< Past it; nullptr where the file system lacks O_DIRECT.
    std::atomic<std::uint32_t> reads = 0;
  };

  [[nodiscard]] std::string staging_path(const DataId& id) const;
  [[nodiscard]] std::string shard_path(const DataId& id) const;

  /// Makes names in staging durable.
  Result<void> sync_staging();
  /// Moves a staged shard to its place; durable after `sync_published`, also when a process that was killed
  /// moved it. Success when this drive never had it.
  Result<void> publish(const DataId& id);
  /// Every rename done before is durable on return.
  Result<void> sync_published();
  /// Removes staged and published files of `id`, if there are any.
  Result<void> drop(const DataId& id);
  Result<void> drop_staged(const DataId& id);
  /// True when a finished shard of `id` stands in either place.
  [[nodiscard]] Result<bool> holds(const DataId& id);
  /// Data ids in staging: finished, unfinished and abandoned.
  [[nodiscard]] Result<std::vector<DataId>> staged();
  /// Every published shard, for the scanner and for tools.
  [[nodiscard]] Result<std::vector<DataId>> published();

  /// Slices of published shards whose footer is sound, by data id, after `after`: at most `most`.
  [[nodiscard]] Result<std::vector<DataRef>> published_after(const DataId& after, std::size_t most);

  /// Errors: kNotFound, kCorrupt (footer, or a footer of other data than `data`), kIo.
  [[nodiscard]] Result<std::shared_ptr<OpenShard>> find(const DataRef& data);
  /// The same when it is open already, else nullptr. For loops.
  [[nodiscard]] std::shared_ptr<OpenShard> find_open(const DataId& id);
  /// A published file as it stands, for tools. Errors: kNotFound, kIo.
  [[nodiscard]] Result<std::unique_ptr<File>> open_unchecked(const DataId& id) {
    return io_.open(shard_path(id), OpenMode::kRead, false);
  }
  /// Blocks, verified. The first read of a shard goes past the page cache, later ones through it.
  [[nodiscard]] Result<Buffer> read(const DataRef& data, std::uint32_t first_block, std::uint32_t count);
  /// The same from the page cache; kWouldBlock.
  [[nodiscard]] Result<Buffer> read_cached(const DataRef& data, std::uint32_t first_block,
                                           std::uint32_t count);
  /// Forgets an open file (it was replaced or is suspect).
  void forget(const DataId& id);

 private:
  void remember(const DataId& id, std::shared_ptr<OpenShard> shard);
  FileIo& io_;
  std::string drive_;
  std::mutex mutex_;
  std::set<std::string> dirty_;  ///< Directories with renames that are not synced.
  std::list<std::pair<DataId, std::shared_ptr<OpenShard>>> open_;  ///< Newest use first.
  std::unordered_map<DataId, std::list<std::pair<DataId, std::shared_ptr<OpenShard>>>::iterator> by_id_;
};

}  // namespace flashstor::storage
