#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/storage/entry.h"

namespace flashstor::cluster {

/// Names between two others, both included, as UndecidedNames::covers takes them.
struct NameRange {
  std::string lower;
  std::string upper;
};

/// The names of entries that are (about to be) visible in the leader's index while it is not yet known
/// whether enough drives hold their data. Readers on any loop look here after they have read rows.
/// Threads: all. A reader that finds nothing takes no lock.
class UndecidedNames {
 public:
  /// Before the entry at `index` is applied.
  void add(std::uint64_t index, std::vector<std::string> names);
  /// Once it is decided. `voided`: what readers may have seen of it is not to be answered.
  void remove(std::uint64_t index, bool voided);
  /// As after something was voided.
  void outdate() { voids_.fetch_add(1, std::memory_order_release); }
  /// Whether rows with lower <= name <= upper (or that begin with `upper`) may be undecided.
  [[nodiscard]] bool covers(std::string_view lower, std::string_view upper) const;
  [[nodiscard]] bool covers(std::string_view name) const { return covers(name, name); }
  /// Changes whenever something was voided: a reader compares it from before with after.
  [[nodiscard]] std::uint64_t voids() const { return voids_.load(std::memory_order_acquire); }
  [[nodiscard]] std::size_t size() const { return count_.load(std::memory_order_acquire); }
  void clear();

 private:
  mutable std::mutex mutex_;
  std::atomic<std::size_t> count_{0};
  std::atomic<std::uint64_t> voids_{0};
  std::map<std::string, std::uint32_t, std::less<>> names_;  // and how many entries have it
  std::map<std::uint64_t, std::vector<std::string>> entries_;
};

}  // namespace flashstor::cluster
