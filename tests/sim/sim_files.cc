#include "tests/sim/sim_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/storage/drive_format.h"
#include "engine/storage/xl_storage.h"
#include "tests/sim/delayed_storage.h"
#include "tests/sim/weather_io.h"

namespace flashstor::sim {
namespace {

constexpr std::uint64_t kCheckpointBytes = 160 * 1024;
constexpr std::uint64_t kCheckpointEntries = 40;
constexpr std::size_t kDataCacheBytes = 8 * 1024;
constexpr std::size_t kTailBytes = 24 * 1024;  // holds the last batches of a log

/// The index as one process has it: it survives the process as far as it was flushed, and takes nothing from
/// one that is gone.
class LifeRows final : public storage::RowStore {
 public:
  LifeRows(storage::RowStoreMemory& inner, DriveLifeRef life) : inner_(inner), life_(std::move(life)) {}
  Result<std::optional<std::string>> get(storage::Family family, std::string_view key,
                                         storage::ReadTier tier) override {
    return inner_.get(family, key, tier);
  }
  using RowStore::write;
  Result<void> write(std::span<const storage::RowChangeView> changes, bool may_wait) override {
    if (auto good = sound(); !good) return good;
    if (!may_wait && life_->world.random().below(8) == 0) return fail(ErrorCode::kWouldBlock);
    auto done = inner_.write(changes, may_wait);
    if (done && life_->world.random().below(40) == 0) static_cast<void>(inner_.flush());  // a full memtable
    return done;
  }
  std::unique_ptr<storage::RowIterator> iterate(storage::Family family, std::string_view lower,
                                                std::string_view upper, storage::ReadTier tier) override {
    return inner_.iterate(family, lower, upper, tier);
  }
  Result<void> flush() override {
    if (auto good = sound(); !good) return good;
    return inner_.flush();
  }
  Result<void> verify() override { return inner_.verify(); }
  Result<void> checkpoint(const std::string& path) override { return inner_.checkpoint(path); }
  [[nodiscard]] std::optional<std::uint64_t> writes_under(std::string_view prefix) const override {
    return inner_.writes_under(prefix);
  }
  [[nodiscard]] Usage usage() const override { return inner_.usage(); }

 private:
  [[nodiscard]] Result<void> sound() const {
    if (life_->dead || life_->weather.fails || life_->weather.lost)
      return fail(ErrorCode::kIo, "the drive is gone");
    return {};
  }
  storage::RowStoreMemory& inner_;
  DriveLifeRef life_;
};

/// What an XlStorage is made of in one process; dies after it.
struct Parts {
  explicit Parts(DriveLifeRef shared)
      : life(std::move(shared)), io(life), writer(life, true), workers(life, false) {}
  DriveLifeRef life;
  WeatherIo io;
  DrivePool writer;
  DrivePool workers;
};

class FileDisk final : public DriveMedium {
 public:
  FileDisk(SimWorld& world, const storage::DriveFormat& format, bool replay_past_torn,
           std::size_t segment_bytes)
      : world_(world),
        replay_past_torn_(replay_past_torn),
        segment_bytes_(segment_bytes),
        own_(std::make_unique<storage::SimFileIo>()),
        io_(*own_),
        path_("/d") {
    FLASHSTOR_CHECK(storage::format_drive(io_, path_, format).has_value());
  }
  FileDisk(SimWorld& world, storage::SimFileIo& io, std::string path, bool replay_past_torn,
           std::size_t segment_bytes)
      : world_(world),
        replay_past_torn_(replay_past_torn),
        segment_bytes_(segment_bytes),
        io_(io),
        path_(std::move(path)) {}

  OpenedDrive open(std::uint32_t slot) override {
    static_cast<void>(slot);
    auto life = std::make_shared<DriveLife>(DriveLife{world_, weather, io_});
    life->may_lose = may_lose;
    auto parts = std::make_unique<Parts>(life);
    storage::XlStorageOptions options;
    options.path = path_;
    options.io = &parts->io;
    options.segment_bytes = segment_bytes_;
    options.checkpoint_bytes = kCheckpointBytes;
    options.checkpoint_entries = kCheckpointEntries;
    options.data_cache_bytes = kDataCacheBytes;
    options.salt_seed = world_.random().next();
    options.boot = fmt::format("boot {}", boots_);
    options.writer_pool = &parts->writer;
    options.io_pool = &parts->workers;
    options.replay_past_torn = replay_past_torn_;
    options.open_rows = [this, life](const std::string&) -> Result<std::unique_ptr<storage::RowStore>> {
      make_rows();
      return std::make_unique<LifeRows>(rows_, life);
    };
    auto opened = storage::XlStorage::open(std::move(options));
    if (!opened) {
      PROBE_OF("files", "drive-refused");
      return {.storage = nullptr, .kill = {}, .idle = {}, .refusal = std::move(opened).error()};
    }
    parts_.push_back(std::move(parts));
    const auto complain = [this](std::string wrong) { complaint = std::move(wrong); };
    return {.storage = std::make_unique<DelayedStorage>(life, std::move(*opened), ledger_, complain),
            .kill = [life] { life->dead = true; },
            .idle = [life] { return life->busy == 0; }};
  }

  void crash(bool power_cut) override {
    rows_.crash();
    if (power_cut) ++boots_;
    if (power_cut && own_ != nullptr) io_.crash(world_.random());
  }

  void replace() override { io_.replace(path_); }

  std::unique_ptr<storage::RowStore> open_rows(const std::string& path) override {
    if (path != path_ + "/rows") return rows_.checkpoint_at(path);
    make_rows();
    ledger_.filled();
    auto life = std::make_shared<DriveLife>(DriveLife{world_, weather, io_});
    return std::make_unique<LifeRows>(rows_, life);
  }

  void rot(bool keep_tail) override {
    const std::vector<std::string> files = all_files();
    for (std::uint64_t flips = 1 + world_.random().below(4); flips > 0 && !files.empty(); --flips) {
      const std::string& path = files[world_.random().below(files.size())];
      const std::string bytes = io_.content(path);
      std::size_t size = bytes.size();
      if (path.contains("/log/")) {
        const std::size_t end = bytes.find_last_not_of('\0');
        if (end == std::string::npos || end < 4096 + kTailBytes) continue;
        size = end - (keep_tail ? kTailBytes : 0);
      }
      if (size == 0) continue;
      if (path.ends_with("format.json")) PROBE_OF("files", "format-rotten");
      if (path.contains("/log/")) PROBE_OF("files", "log-rotten");
      if (path.contains("/shards/")) PROBE_OF("files", "shard-rotten");
      io_.flip(path, world_.random().below(size), static_cast<int>(world_.random().below(8)));
    }
  }

  std::set<DataId> held() override {
    std::set<DataId> out = placed();
    add_files("/staging/", out);
    return out;
  }
  std::set<DataId> placed() override {
    std::set<DataId> out;
    for (const auto& [key, value] : rows_.snapshot(storage::Family::kInline))
      out.insert(Uuid::from_bytes(key));
    add_files("/shards/", out);
    return out;
  }
  std::string describe(const DataId& id) override {
    return rows_.snapshot(storage::Family::kInline).contains(id.to_bytes()) ? "in the log" : "a file";
  }
  storage::RowStoreMemory& rows() override { return rows_; }

 private:
  // The index is as old as its directory: where that is new, it is empty.
  void make_rows() {
    const std::string mark = path_ + "/rows/CURRENT";
    static_cast<void>(io_.make_directory(path_ + "/rows"));
    if (!io_.open(mark, storage::OpenMode::kCreate, false)) return;
    static_cast<void>(io_.sync_directory(path_ + "/rows"));
    std::vector<storage::RowChange> gone;
    for (std::size_t family = 0; family < storage::kFamilies; ++family)
      for (const auto& [key, value] : rows_.snapshot(static_cast<storage::Family>(family)))
        gone.push_back({static_cast<storage::Family>(family), key, std::nullopt});
    static_cast<void>(rows_.write(gone, true));
    static_cast<void>(rows_.flush());
    ledger_ = {};
  }
  void add_files(std::string_view part, std::set<DataId>& out) {
    for (const std::string& path : all_files()) {
      if (!path.contains(part)) continue;
      if (const auto id = Uuid::from_text(path.substr(path.rfind('/') + 1))) out.insert(*id);
    }
  }
  std::vector<std::string> all_files() {
    std::vector<std::string> files;
    std::vector<std::string> folders{path_};
    while (!folders.empty()) {
      const std::string folder = std::move(folders.back());
      folders.pop_back();
      const auto names = io_.list(folder);
      if (!names) continue;
      for (const std::string& name : *names) {
        const std::string path = fmt::format("{}/{}", folder, name);
        (io_.is_file(path) ? files : folders).push_back(path);
      }
    }
    std::ranges::sort(files);
    return files;
  }

  SimWorld& world_;
  bool replay_past_torn_;
  std::uint64_t boots_ = 1;  ///< Of its machine.
  std::size_t segment_bytes_;
  std::unique_ptr<storage::SimFileIo> own_;  ///< Null where its files are on one that it shares.
  storage::SimFileIo& io_;
  std::string path_;
  storage::RowStoreMemory rows_;
  DriveLedger ledger_;
  std::vector<std::unique_ptr<Parts>> parts_;  ///< Of every life: few, and small.
};

}  // namespace

std::unique_ptr<DriveMedium> make_file_disk(SimWorld& world, std::uint32_t set, std::uint32_t slot,
                                            std::uint32_t drives, bool replay_past_torn,
                                            std::size_t segment_bytes) {
  storage::DriveFormat format{.deployment_id = {1, 2}, .set = set, .slot = slot};
  for (std::uint32_t i = 0; i < drives; ++i) format.set_drives.push_back({7 + set, 1 + i});
  format.drive_id = format.set_drives[slot];
  return std::make_unique<FileDisk>(world, format, replay_past_torn, segment_bytes);
}

std::unique_ptr<DriveMedium> make_shared_file_disk(SimWorld& world, storage::SimFileIo& io, std::string path,
                                                   bool replay_past_torn, std::size_t segment_bytes) {
  return std::make_unique<FileDisk>(world, io, std::move(path), replay_past_torn, segment_bytes);
}

}  // namespace flashstor::sim
