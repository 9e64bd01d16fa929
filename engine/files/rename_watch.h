#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/async/sync.h"

namespace flashstor::files {

/// The names that a volume is just changing: whoever has found a file at one of them and has not opened it
/// yet waits until the change has ended, and learns where the file is then. Names are keys; a directory's
/// ends in a slash and stands for all below it. Threads: the volume's loop.
class RenameWatch {
 public:
  RenameWatch() = default;
  RenameWatch(const RenameWatch&) = delete;
  RenameWatch& operator=(const RenameWatch&) = delete;

  struct Rename {
    std::string from;
    std::string to;  ///< Empty: removed.
    bool exchange = false;
  };
  /// A change, until the open files know their new names. It counts once its command is sent: it may be made
  /// then, whatever is answered.
  class Change {
   public:
    Change(RenameWatch& watch, Rename rename) : watch_(watch), rename_(std::move(rename)) {}
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change();
    /// Until nobody waits to open what is at one of its names, and no name is held. The caller looks again
    /// afterwards which files are open, before it calls `sent`.
    Task<void> give_way(Runtime& runtime);
    /// Its command goes now: whoever opens from here on waits for its end.
    void sent();

   private:
    RenameWatch& watch_;
    Rename rename_;
    std::optional<std::list<Rename>::iterator> place_;
  };
  /// A look for a file, from before its row is read until it is open.
  class Look {
   public:
    explicit Look(RenameWatch& watch);
    Look(const Look&) = delete;
    Look& operator=(const Look&) = delete;
    ~Look();
    /// Where what was at `key` may be after the changes that ended since the look began or this was last
    /// asked: `key` itself and what it became. Nothing when none was about it.
    [[nodiscard]] std::vector<std::string> moved(const std::string& key);
    /// Until no change of `key` is under way. Others that would begin give way from here on until the look
    /// has ended.
    Task<void> wait(std::string key);

   private:
    RenameWatch& watch_;
    std::list<std::uint64_t>::iterator seen_;
    std::optional<std::multiset<std::string>::iterator> waits_at_;
  };

  [[nodiscard]] bool changing(const std::string& key) const;
  /// Whether a directory above `key` is being renamed.
  [[nodiscard]] bool changing_above(const std::string& key) const;
  /// Until a change has ended.
  Task<void> wait() { co_await ended_.wait(); }
  /// Changes of `key` wait until then: somebody who was told that it is another file by now comes again.
  void hold(const std::string& key, MonotonicTime now, MonotonicTime until);
  /// Changes that are remembered for the looks.
  [[nodiscard]] std::size_t remembered() const { return made_.size(); }

 private:
  void forget();
  std::list<Rename> under_way_;
  std::deque<Rename> made_;         ///< Since the oldest of the looks began, or was last asked.
  std::uint64_t forgotten_ = 0;     ///< How many came before these.
  std::list<std::uint64_t> looks_;  ///< Up to where each has seen.
  std::multiset<std::string> awaited_;
  std::map<std::string, MonotonicTime> held_;
  async::Signal ended_;  ///< A change, or a look that waited.
};

}  // namespace flashstor::files
