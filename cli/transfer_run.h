#pragma once

#include <string>

#include "cli/transfers.h"
#include "cli/walk.h"

namespace flashstor::cli {

/// The transfers of one command: from files or objects to files or objects, each said on the output, and with
/// `move` the source deleted after its copy is whole.
class TransferRun {
 public:
  struct Settings {
    TransferOptions transfer;
    bool move = false;
    bool content_type_by_name = true;
  };
  TransferRun(Session& session, Settings settings);
  /// Schedules one; failures are said, not given. `from` is the tree or file that `entry` was met in.
  void add(const Target& from, const Entry& entry, const Target& to);
  /// Waits for all and says the totals.
  void finish();

 private:
  void upload(const Entry& entry, const Target& to);
  void from_remote(const Target& from, const Entry& entry, const Target& to);
  void ended(const std::string& source, const std::string& target, std::uint64_t bytes, Result<void> result,
             const std::function<Result<void>()>& remove_source);
  Session& session_;
  Settings settings_;
  Transfers transfers_;
};

}  // namespace flashstor::cli
