#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/storage/row_store_memory.h"
#include "engine/storage/storage_api.h"
#include "tests/sim/sim_runtime.h"

namespace flashstor::sim {

/// How a simulated drive behaves at the moment. Times are virtual.
struct DriveWeather {
  std::int64_t usual_ns = 200'000;
  std::int64_t slow_ns = 0;  ///< Added to each operation, up to.
  bool hung = false;         ///< Nothing answers.
  bool fails = false;        ///< Everything gives kIo.
  bool lost = false;         ///< Unplugged: the same, and it is not there at the next start.
  std::uint32_t read_errors_per_mille = 0;
  // Of simulated files only.
  bool lying = false;                      ///< Syncs are answered and done up to a second later.
  bool full = false;                       ///< No byte more.
  std::uint32_t bad_writes_per_mille = 0;  ///< Lost, torn or misdirected, and reported as done.
};

/// A drive as one process has it: what the set gets, and how it is cut off when the process dies.
struct OpenedDrive {
  std::unique_ptr<storage::StorageApi> storage;  ///< Null: missing.
  std::function<void()> kill;
  std::function<bool()> idle;    ///< Nothing of the drive's own is under way: it may be destroyed.
  std::optional<Error> refusal;  ///< Why it is missing, when what it holds does not open.
};

/// What a drive is made of: it outlives the processes that use it.
class DriveMedium {
 public:
  DriveMedium() = default;
  DriveMedium(const DriveMedium&) = delete;
  DriveMedium& operator=(const DriveMedium&) = delete;
  virtual ~DriveMedium() = default;
  /// For one process. Its storage is null when the drive cannot be used as it stands.
  virtual OpenedDrive open(std::uint32_t slot) = 0;
  /// Loses what the death of the process loses, and with `power_cut` what a power cut loses too.
  virtual void crash(bool power_cut) = 0;
  /// Flips bits in what is stored. `keep_tail`: not in what was written last, whose loss no drive can notice.
  virtual void rot(bool keep_tail) = 0;
  /// A new, empty drive in its place. Nothing of it is in use.
  virtual void replace() {}
  /// Opens an index on it: that of the drive, or one that was copied there. Null where drives are not filled.
  virtual std::unique_ptr<storage::RowStore> open_rows(const std::string& path) {
    static_cast<void>(path);
    return nullptr;
  }
  /// Slices that it holds in their place; what is staged apart.
  [[nodiscard]] virtual std::set<DataId> placed() { return held(); }
  /// Every slice of which it holds something, named or not.
  [[nodiscard]] virtual std::set<DataId> held() = 0;
  [[nodiscard]] virtual storage::RowStoreMemory& rows() = 0;
  /// What it holds of a slice, in words.
  [[nodiscard]] virtual std::string describe(const DataId& id) = 0;
  DriveWeather weather;
  bool may_lose = false;      ///< Its cache lies now and then: it may forget what it acknowledged last.
  std::string complaint;      ///< What it did that no drive may do.
  bool lost_at_stop = false;  ///< It is not there at the next start.
};

}  // namespace flashstor::sim
