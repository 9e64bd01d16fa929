#include "s3d/node/engine.h"

#include "engine/files/file_commands.h"
#include "engine/objects/commands.h"
#include "engine/storage/boot.h"
#include "engine/storage/xl_storage.h"

namespace flashstor::s3d {
namespace {

/// How what the operator gives is shared out: to blocks of the indexes, their write buffers, hot shards.
struct MemoryShares {
  storage::RowStoreResources::Options rows;
  std::size_t data_cache_bytes = 0;  ///< Per drive.
};

MemoryShares shares_of(std::size_t memory_mib, std::size_t drives) {
  const std::size_t eighth = (memory_mib << 20) / 8;
  return {.rows = {.block_cache_bytes = 3 * eighth, .write_buffer_bytes = 3 * eighth},
          .data_cache_bytes = 2 * eighth / std::max<std::size_t>(drives, 1)};
}

}  // namespace

Engine::Engine(const NodeOptions& options, WorkPool& pool)
    : options_(options),
      pool_(pool),
      io_(storage::make_posix_file_io()),
      resources_(shares_of(options.memory_mib, options.drives.size()).rows) {
  objects::register_object_commands(registry_);
  files::register_file_commands(registry_);
}

cluster::ClusterOptions Engine::cluster_options(std::vector<Runtime*> loops) {
  const storage::OpenRows open_rows = [this](const std::string& directory) {
    return storage::open_rocksdb_rows(directory, resources_);
  };
  const auto open_drive =
      [this, open_rows](const std::string& path) -> Result<std::unique_ptr<storage::StorageApi>> {
    base::SystemRandom random;
    storage::XlStorageOptions drive{
        .path = path,
        .io = io_.get(),
        .open_rows = open_rows,
        .salt_seed = random.next(),
        .boot = storage::current_boot(),
        .data_cache_bytes = shares_of(options_.memory_mib, options_.drives.size()).data_cache_bytes};
    auto opened = storage::XlStorage::open(std::move(drive));
    if (!opened) return std::unexpected(opened.error());
    return std::move(*opened);
  };
  cluster::ClusterOptions out;
  out.drives = options_.drives;
  out.loops = std::move(loops);
  out.pool = &pool_;
  out.registry = &registry_;
  out.io = io_.get();
  out.open_drive = open_drive;
  out.open_rows = open_rows;
  out.standard_parity = static_cast<std::uint8_t>(std::min<std::size_t>(options_.parity, 255));
  return out;
}

Task<Result<void>> Engine::open(std::vector<Runtime*> loops) {
  cluster_ = co_await or_return(cluster::Cluster::open(cluster_options(std::move(loops))));
  co_return Result<void>();
}

Task<Result<void>> Engine::open_spread(std::vector<Runtime*> loops, cluster::Peers& peers,
                                       std::function<void(const std::string&)> progress,
                                       std::function<bool()> cancelled) {
  cluster::ClusterOptions options = cluster_options(std::move(loops));
  options.peers = &peers;
  options.progress = std::move(progress);
  options.cancelled = std::move(cancelled);
  cluster_ = co_await or_return(cluster::Cluster::open_spread(std::move(options)));
  co_return Result<void>();
}

Task<void> Engine::close() {
  if (cluster_ == nullptr) co_return;
  hanging_ = co_await cluster_->close();
  // What threads that hang in a drive may still touch is left as it is: the process ends without it.
  if (hanging_ > 0) static_cast<void>(cluster_.release());
  cluster_.reset();
}

}  // namespace flashstor::s3d
