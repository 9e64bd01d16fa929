#pragma once

#include <cstdint>
#include <list>
#include <optional>
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
  /// A change, from before it looks whether the file is open until the open files know their new names.
  class Change {
   public:
    Change(RenameWatch& watch, Rename rename);
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change();
    /// It was made: otherwise the names are as they were.
    void made() { made_ = true; }

   private:
    RenameWatch& watch_;
    std::list<Rename>::iterator place_;
    bool made_ = false;
  };
  /// A look for a file, from before its row is read until it is open.
  class Look {
   public:
    explicit Look(RenameWatch& watch) : watch_(watch), seen_(watch.made_.size()) { ++watch.looks_; }
    Look(const Look&) = delete;
    Look& operator=(const Look&) = delete;
    ~Look();
    /// Where what was at `key` may be after the changes that ended since the look began or this was last
    /// asked: `key` itself and what it became. Nothing when none was about it.
    [[nodiscard]] std::vector<std::string> moved(const std::string& key);

   private:
    RenameWatch& watch_;
    std::size_t seen_;
  };

  [[nodiscard]] bool changing(const std::string& key) const;
  /// Whether a directory above `key` is being renamed.
  [[nodiscard]] bool changing_above(const std::string& key) const;
  /// Until a change has ended.
  Task<void> wait() { co_await ended_.wait(); }

 private:
  std::list<Rename> under_way_;
  std::vector<Rename> made_;  ///< Since the first of the looks began.
  std::size_t looks_ = 0;
  async::Signal ended_;
};

}  // namespace flashstor::files
