#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/storage/row_store.h"

namespace flashstor::storage {

/// What all indexes of a node share, so that memory is bounded by configuration and not by the number of
/// drives. Outlives the stores opened with it.
class RowStoreResources {
 public:
  struct Options {
    std::size_t block_cache_bytes = 64U << 20;   ///< Blocks, index and filter blocks of all drives.
    std::size_t write_buffer_bytes = 64U << 20;  ///< Memtables of all drives together.
    std::size_t memtable_bytes = 8U << 20;       ///< One family's, before it is flushed.
    int background_threads = 2;                  ///< Flushes and compactions of all drives.
    int max_open_files = 512;                    ///< Per drive.
  };
  explicit RowStoreResources(Options options);
  RowStoreResources(const RowStoreResources&) = delete;
  RowStoreResources& operator=(const RowStoreResources&) = delete;
  ~RowStoreResources();
  struct State;
  /// For row_store_rocksdb.cc.
  [[nodiscard]] State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// Opens the index in directory `path`, making it when missing (its parent must exist).
/// Errors: kCorrupt for an index that does not open, kIo, kNoSpace.
[[nodiscard]] Result<std::unique_ptr<RowStore>> open_rocksdb_rows(const std::string& path,
                                                                  const RowStoreResources& resources);
/// Opens an existing index to read only, for offline tools: changes nothing on the drive.
[[nodiscard]] Result<std::unique_ptr<RowStore>> open_rocksdb_rows_read_only(
    const std::string& path, const RowStoreResources& resources);

}  // namespace flashstor::storage
