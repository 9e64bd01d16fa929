#include "s3d/node/engine.h"

#include "engine/files/file_commands.h"
#include "engine/objects/commands.h"
#include "engine/storage/xl_storage.h"

namespace flashstor::s3d {

Engine::Engine(const NodeOptions& options, WorkPool& pool)
    : options_(options), pool_(pool), io_(storage::make_posix_file_io()), resources_({}) {
  objects::register_object_commands(registry_);
  files::register_file_commands(registry_);
}

Task<Result<void>> Engine::open(std::vector<Runtime*> loops) {
  const auto open_drive = [this](const std::string& path) -> Result<std::unique_ptr<storage::StorageApi>> {
    base::SystemRandom random;
    storage::XlStorageOptions drive{.path = path,
                                    .io = io_.get(),
                                    .open_rows =
                                        [this](const std::string& directory) {
                                          return storage::open_rocksdb_rows(directory, resources_);
                                        },
                                    .salt_seed = random.next()};
    auto opened = storage::XlStorage::open(std::move(drive));
    if (!opened) return std::unexpected(opened.error());
    return std::move(*opened);
  };
  cluster_ = co_await or_return(cluster::Cluster::open(
      {.drives = options_.drives,
       .loops = std::move(loops),
       .pool = &pool_,
       .registry = &registry_,
       .io = io_.get(),
       .open_drive = open_drive,
       .standard_parity = static_cast<std::uint8_t>(std::min<std::size_t>(options_.parity, 255))}));
  co_return Result<void>();
}

Task<void> Engine::close() {
  if (cluster_ != nullptr) co_await cluster_->close();
  cluster_.reset();
}

}  // namespace flashstor::s3d
