#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/work_pool.h"
#include "tests/sim/probes.h"
#include "tests/sim/sim_medium.h"
#include "tests/support/sim_file_io.h"

namespace flashstor::sim {

/// What the files and threads of one drive share in one process.
struct DriveLife {
  SimWorld& world;
  DriveWeather& weather;
  storage::SimFileIo& io;
  bool dead = false;  ///< The process is gone: nothing of it reaches the drive any more.
  std::size_t busy = 0;
  bool may_lose = false;  ///< The drive's cache lies now and then.
};
using DriveLifeRef = std::shared_ptr<DriveLife>;

/// SimFileIo as one process sees it, under the drive's weather: writes that are lost, torn or misdirected
/// though they were answered, syncs that come up to a second after their answer, a full drive, a dead one.
class WeatherIo final : public storage::FileIo {
 public:
  explicit WeatherIo(DriveLifeRef life) : life_(std::move(life)) {}

  Result<std::unique_ptr<storage::File>> open(const std::string& path, storage::OpenMode mode,
                                              bool direct) override {
    if (auto good = sound(); !good) return std::unexpected(good.error());
    if (mode == storage::OpenMode::kCreate && life_->weather.full) return fail(ErrorCode::kNoSpace, path);
    return wrap(life_->io.open(path, mode, direct));
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    if (auto good = sound(); !good) return good;
    return life_->io.rename(from, to);
  }
  Result<void> remove(const std::string& path) override {
    if (auto good = sound(); !good) return good;
    return life_->io.remove(path);
  }
  Result<void> make_directory(const std::string& path) override {
    if (auto good = sound(); !good) return good;
    return life_->io.make_directory(path);
  }
  Result<void> sync_directory(const std::string& path) override {
    if (auto good = sound(); !good) return good;
    return life_->io.sync_directory(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    if (auto good = sound(); !good) return std::unexpected(good.error());
    return life_->io.list(path);
  }
  Result<bool> exists(const std::string& path) override {
    if (auto good = sound(); !good) return std::unexpected(good.error());
    return life_->io.exists(path);
  }
  Result<storage::SpaceInfo> space(const std::string& path) override {
    auto info = life_->io.space(path);
    if (info && life_->weather.full) info->free_bytes = 0;
    return info;
  }
  Result<std::unique_ptr<storage::File>> lock(const std::string& path) override {
    if (auto good = sound(); !good) return std::unexpected(good.error());
    return wrap(life_->io.lock(path));
  }

 private:
  static Result<void> sound_of(const DriveLife& life) {
    if (life.dead || life.weather.fails || life.weather.lost)
      return fail(ErrorCode::kIo, "the drive is gone");
    return {};
  }
  [[nodiscard]] Result<void> sound() const { return sound_of(*life_); }

  class WeatherFile final : public storage::File {
   public:
    WeatherFile(DriveLifeRef life, std::shared_ptr<storage::File> inner)
        : life_(std::move(life)), inner_(std::move(inner)) {}
    Result<std::size_t> read(std::span<std::byte> into, std::uint64_t offset) override {
      if (auto good = sound_of(*life_); !good) return std::unexpected(good.error());
      if (chance(life_->weather.read_errors_per_mille)) return fail(ErrorCode::kIo, "a read that failed");
      return inner_->read(into, offset);
    }
    Result<std::size_t> read_cached(std::span<std::byte> into, std::uint64_t offset) override {
      if (life_->weather.hung || chance(500)) return fail(ErrorCode::kWouldBlock);
      return read(into, offset);
    }
    Result<void> write(std::span<const std::byte> from, std::uint64_t offset) override {
      if (auto good = sound_of(*life_); !good) return good;
      if (chance(life_->weather.bad_writes_per_mille)) return write_badly(from, offset);
      return inner_->write(from, offset);
    }
    Result<void> write_durable(std::span<const std::byte> from, std::uint64_t offset) override {
      if (auto done = write(from, offset); !done) return done;
      return sync();
    }
    Result<void> sync() override {
      if (auto good = sound_of(*life_); !good) return good;
      if (!life_->weather.lying) return inner_->sync();
      PROBE_OF("files", "sync-was-a-lie");
      life_->world.after(std::chrono::seconds(1), [life = life_, inner = inner_] {
        if (!life->dead) static_cast<void>(inner->sync());
      });
      return {};
    }
    Result<void> preallocate(std::uint64_t size) override {
      if (auto good = sound_of(*life_); !good) return good;
      if (life_->weather.full) return fail(ErrorCode::kNoSpace, "no room");
      return inner_->preallocate(size);
    }
    Result<void> truncate(std::uint64_t size) override {
      if (auto good = sound_of(*life_); !good) return good;
      return inner_->truncate(size);
    }
    Result<std::uint64_t> size() override {
      if (auto good = sound_of(*life_); !good) return std::unexpected(good.error());
      return inner_->size();
    }

   private:
    [[nodiscard]] bool chance(std::uint64_t per_mille) const {
      return per_mille != 0 && life_->world.random().below(1000) < per_mille;
    }
    Result<void> write_badly(std::span<const std::byte> from, std::uint64_t offset) {
      switch (life_->world.random().below(3)) {
        case 0:
          PROBE_OF("files", "write-lost");
          return {};
        case 1: {
          PROBE_OF("files", "write-torn");
          const std::size_t sectors = from.size() / storage::SimFileIo::kSectorBytes;
          const std::size_t kept = sectors == 0 ? 0 : life_->world.random().below(sectors);
          for (std::size_t i = 0; i < kept * storage::SimFileIo::kSectorBytes; i += 4096) {
            // Whole pages as far as they go: direct writes must stay aligned.
            if (i + 4096 > kept * storage::SimFileIo::kSectorBytes) break;
            if (auto done = inner_->write(from.subspan(i, 4096), offset + i); !done) return done;
          }
          return {};
        }
        default: {
          PROBE_OF("files", "write-misdirected");
          const auto size = inner_->size();
          const std::uint64_t pages = size ? *size / 4096 : 0;
          const std::uint64_t page = pages == 0 ? 0 : life_->world.random().below(pages);
          if (page * 4096 + from.size() > (size ? *size : 0)) return {};
          return inner_->write(from, page * 4096);
        }
      }
    }
    DriveLifeRef life_;
    std::shared_ptr<storage::File> inner_;
  };

  Result<std::unique_ptr<storage::File>> wrap(Result<std::unique_ptr<storage::File>> opened) {
    if (!opened) return opened;
    return std::make_unique<WeatherFile>(life_, std::shared_ptr<storage::File>(std::move(*opened)));
  }
  DriveLifeRef life_;
};

/// A drive's threads. The writer of the log runs at once, for who waits for it blocks; the others take
/// virtual time: each piece of work runs whole, after a time that the weather gives.
class DrivePool final : public async::WorkPool {
 public:
  DrivePool(DriveLifeRef life, bool at_once) : life_(std::move(life)), at_once_(at_once) {}
  void submit(async::Work& work) override {
    if (at_once_) return work.run(&work);
    ++life_->busy;
    const DriveWeather& weather = life_->weather;
    const auto most = static_cast<std::uint64_t>(weather.usual_ns + weather.slow_ns);
    life_->world.after(Nanoseconds(1 + life_->world.random().below(most)), [this, &work] { run(work); });
  }

 private:
  void run(async::Work& work) {
    if (life_->weather.hung && !life_->dead) {
      life_->world.after(Milliseconds(50), [this, &work] { run(work); });
      return;
    }
    --life_->busy;
    work.run(&work);
  }
  DriveLifeRef life_;
  bool at_once_;
};

}  // namespace flashstor::sim
