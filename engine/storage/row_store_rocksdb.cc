#include "engine/storage/row_store_rocksdb.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/utilities/table_properties_collectors.h>
#include <rocksdb/write_buffer_manager.h>

#include <array>
#include <cstdarg>
#include <utility>
#include <vector>

#include "engine/storage/version_prefix.h"
#include "engine/storage/write_marks.h"

namespace flashstor::storage {

struct RowStoreResources::State {
  Options options;
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
  rocksdb::Env* env = rocksdb::Env::Default();  ///< Its pools are the process's.
};

namespace {

// On disk: the order is Family's.
constexpr std::array<const char*, kFamilies> kNames = {"default", "versions", "extents", "inline",
                                                       "uploads", "refs",     "heal",    "due",
                                                       "intents", "inodes",   "results"};

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

std::unexpected<Error> store_error(const rocksdb::Status& status, std::string_view doing) {
  const std::string words = std::string(doing) + ": " + status.ToString();
  if (status.IsIncomplete()) return fail(ErrorCode::kWouldBlock);
  if (status.IsCorruption()) return fail(ErrorCode::kCorrupt, words);
  if (status.IsNoSpace()) return fail(ErrorCode::kNoSpace, words);
  return fail(ErrorCode::kIo, words);
}

/// RocksDB's own words for people go nowhere: its errors come back as statuses, and a LOG file on a drive
/// that fails would end the process (7.8 asserts that nothing is written to a file after an error).
class NoLogger final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

/// What filters of Family::kVersions know beside nothing else: whether there is any row of an object key.
class VersionTransform final : public rocksdb::SliceTransform {
 public:
  // On disk: tables whose filters were made by another name are read without them.
  [[nodiscard]] const char* Name() const override { return "flashstor.version-prefix.1"; }
  [[nodiscard]] rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    const auto prefix = VersionPrefix::of(key.ToStringView());
    return prefix ? slice(*prefix) : key;
  }
  [[nodiscard]] bool InDomain(const rocksdb::Slice& key) const override {
    return VersionPrefix::of(key.ToStringView()).has_value();
  }
};

// RocksDB counts what it does for each thread unless it is told not to; nobody reads that.
void count_nothing() { rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable); }

rocksdb::ColumnFamilyOptions family_options(const RowStoreResources::State& shared, Family family) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = shared.cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.block_size = 16 << 10;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  rocksdb::ColumnFamilyOptions options;
  if (family == Family::kInline) {
    // Where data lies is only ever looked up by its id, and mostly is not in the newest part of the index.
    table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = 0.02;
  }
  if (family == Family::kVersions) {
    // Each write looks for the newest version of its key first, and mostly there is none where it looks.
    table.whole_key_filtering = false;
    options.prefix_extractor = std::make_shared<VersionTransform>();
    options.memtable_prefix_bloom_size_ratio = 0.01;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = shared.options.memtable_bytes;
  options.arena_block_size = 64 << 10;  // an idle family costs one of these, and there are eleven a drive
  options.max_write_buffer_number = 3;
  options.level_compaction_dynamic_level_bytes = true;
  options.max_bytes_for_level_base = 64 << 20;
  options.target_file_size_base = 16 << 20;
  options.compression = rocksdb::kNoCompression;
  // Overwrites and deletes leave tombstones that scans must step over: files full of them go first.
  options.table_properties_collector_factories = {
      rocksdb::NewCompactOnDeletionCollectorFactory(4096, 1024, 0.5)};
  return options;
}

rocksdb::DBOptions database_options(const RowStoreResources::State& shared) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.atomic_flush = true;
  options.allow_ingest_behind = false;
  options.write_buffer_manager = shared.write_buffers;
  options.env = shared.env;
  options.max_background_jobs = shared.options.background_threads;
  options.max_open_files = shared.options.max_open_files;
  options.max_file_opening_threads = 1;
  options.skip_stats_update_on_db_open = true;
  options.info_log = std::make_shared<NoLogger>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.bytes_per_sync = 1 << 20;
  options.avoid_flush_during_shutdown = true;  // close() flushes; a crash must not look like a flush
  options.avoid_unnecessary_blocking_io = true;
  options.enable_thread_tracking = false;
  options.paranoid_checks = true;
  return options;
}

class RocksIterator final : public RowIterator {
 public:
  RocksIterator(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* family, std::string_view lower,
                std::string_view upper, ReadTier tier, bool one_prefix)
      : lower_(lower), upper_(upper), lower_slice_(lower_), upper_slice_(upper_) {
    rocksdb::ReadOptions options;
    if (!lower_.empty()) options.iterate_lower_bound = &lower_slice_;
    if (!upper_.empty()) options.iterate_upper_bound = &upper_slice_;
    if (tier == ReadTier::kCacheOnly) options.read_tier = rocksdb::kBlockCacheTier;
    options.total_order_seek = !one_prefix;
    inner_.reset(database.NewIterator(options, family));
    if (lower_.empty()) {
      inner_->SeekToFirst();
    } else {
      inner_->Seek(lower_slice_);
    }
  }
  void seek(std::string_view key) override { inner_->Seek(slice(key)); }
  void next() override { inner_->Next(); }
  [[nodiscard]] bool valid() const override { return inner_->Valid(); }
  [[nodiscard]] std::string_view key() const override { return inner_->key().ToStringView(); }
  [[nodiscard]] std::string_view value() const override { return inner_->value().ToStringView(); }
  [[nodiscard]] Result<void> status() const override {
    if (inner_->status().ok()) return {};
    return store_error(inner_->status(), "scan of the index");
  }

 private:
  std::string lower_;
  std::string upper_;
  rocksdb::Slice lower_slice_;
  rocksdb::Slice upper_slice_;
  std::unique_ptr<rocksdb::Iterator> inner_;
};

class RowStoreRocksdb final : public RowStore {
 public:
  RowStoreRocksdb(std::unique_ptr<rocksdb::DB> database, std::vector<rocksdb::ColumnFamilyHandle*> families)
      : database_(std::move(database)), families_(std::move(families)) {}
  RowStoreRocksdb(const RowStoreRocksdb&) = delete;
  RowStoreRocksdb& operator=(const RowStoreRocksdb&) = delete;
  ~RowStoreRocksdb() override {
    for (rocksdb::ColumnFamilyHandle* family : families_) (void)database_->DestroyColumnFamilyHandle(family);
    (void)database_->Close();
  }

  Result<std::optional<std::string>> get(Family family, std::string_view key, ReadTier tier) override {
    count_nothing();
    rocksdb::ReadOptions options;
    if (tier == ReadTier::kCacheOnly) options.read_tier = rocksdb::kBlockCacheTier;
    rocksdb::PinnableSlice value;
    const rocksdb::Status status = database_->Get(options, handle(family), slice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return store_error(status, "read of the index");
    // Where a table is not open RocksDB says that the key may be there, as a success without a value.
    if (tier == ReadTier::kCacheOnly && value.empty()) return fail(ErrorCode::kWouldBlock);
    return std::string(value.data(), value.size());
  }

  using RowStore::write;
  Result<void> write(std::span<const RowChangeView> changes, bool may_wait) override {
    count_nothing();
    std::size_t bytes = 0;
    for (const RowChangeView& change : changes)
      bytes += kChangeBytes + change.key.size() + (change.value ? change.value->size() : 0);
    rocksdb::WriteBatch batch(bytes);
    for (const RowChangeView& change : changes) {
      const rocksdb::Status added =
          change.value ? batch.Put(handle(change.family), slice(change.key), slice(*change.value))
                       : batch.Delete(handle(change.family), slice(change.key));
      if (!added.ok()) return store_error(added, "write to the index");
    }
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    options.no_slowdown = !may_wait;
    const WriteMarks::Writing writing(marks_, changes);
    const rocksdb::Status status = database_->Write(options, &batch);
    if (!status.ok()) return store_error(status, "write to the index");
    return {};
  }

  [[nodiscard]] std::optional<std::uint64_t> writes_under(std::string_view prefix) const override {
    return marks_.look(prefix);
  }

  std::unique_ptr<RowIterator> iterate(Family family, std::string_view lower, std::string_view upper,
                                       ReadTier tier) override {
    count_nothing();
    const bool one_prefix = family == Family::kVersions && VersionPrefix::is_range_of_one(lower, upper);
    return std::make_unique<RocksIterator>(*database_, handle(family), lower, upper, tier, one_prefix);
  }

  Result<void> flush() override {
    rocksdb::FlushOptions options;
    options.wait = true;
    options.allow_write_stall = true;
    const rocksdb::Status status = database_->Flush(options, families_);
    if (!status.ok()) return store_error(status, "flush of the index");
    return {};
  }

  Result<void> verify() override {
    const rocksdb::Status status = database_->VerifyChecksum(rocksdb::ReadOptions());
    if (!status.ok()) return store_error(status, "verification of the index");
    return {};
  }

  Result<void> checkpoint(const std::string& path) override {
    if (auto flushed = flush(); !flushed) return flushed;
    rocksdb::Checkpoint* made = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(database_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> owned(made);
    if (status.ok()) status = owned->CreateCheckpoint(path);
    if (!status.ok()) return store_error(status, "checkpoint of the index");
    return {};
  }

  [[nodiscard]] Usage usage() const override {
    Usage usage;
    std::uint64_t value = 0;
    if (database_->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &value))
      usage.memory_bytes += value;
    if (database_->GetAggregatedIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &value))
      usage.drive_bytes += value;
    return usage;
  }

 private:
  static constexpr std::size_t kChangeBytes = 16;  // of a batch, beside key and value
  [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return families_[static_cast<std::size_t>(family)];
  }
  std::unique_ptr<rocksdb::DB> database_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  WriteMarks marks_;
};

Result<std::unique_ptr<RowStore>> open_rows(const std::string& path, const RowStoreResources& resources,
                                            bool read_only) {
  const RowStoreResources::State& shared = resources.state();
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (std::size_t i = 0; i < kFamilies; ++i)
    descriptors.emplace_back(kNames[i], family_options(shared, static_cast<Family>(i)));
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::DB* opened = nullptr;
  rocksdb::DBOptions options = database_options(shared);
  // A read-only database has no background work to leave its purges to.
  if (read_only) options.avoid_unnecessary_blocking_io = false;
  const rocksdb::Status status =
      read_only ? rocksdb::DB::OpenForReadOnly(options, path, descriptors, &families, &opened)
                : rocksdb::DB::Open(options, path, descriptors, &families, &opened);
  if (!status.ok()) return store_error(status, "opening the index in " + path);
  return std::make_unique<RowStoreRocksdb>(std::unique_ptr<rocksdb::DB>(opened), std::move(families));
}

}  // namespace

RowStoreResources::RowStoreResources(Options options) : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->cache = rocksdb::NewLRUCache(options.block_cache_bytes, 4);
  state_->write_buffers = std::make_shared<rocksdb::WriteBufferManager>(options.write_buffer_bytes);
  state_->env->SetBackgroundThreads(options.background_threads, rocksdb::Env::LOW);
  state_->env->SetBackgroundThreads(1, rocksdb::Env::HIGH);
}
RowStoreResources::~RowStoreResources() = default;

Result<std::unique_ptr<RowStore>> open_rocksdb_rows(const std::string& path,
                                                    const RowStoreResources& resources) {
  return open_rows(path, resources, false);
}
Result<std::unique_ptr<RowStore>> open_rocksdb_rows_read_only(const std::string& path,
                                                              const RowStoreResources& resources) {
  return open_rows(path, resources, true);
}

}  // namespace flashstor::storage
