#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/time.h"
#include "engine/cluster/raft/types.h"
#include "engine/storage/storage_api.h"

namespace flashstor::cluster {

/// What another process that may read says of slices that are to be freed.
struct PinAnswer {
  std::string holder;  ///< Its name.
  bool answered = false;
  std::vector<DataId> pinned;  ///< Those of them that it has pinned.
};

/// What a leader makes of these answers: who does not answer may have pins, for a while. One thread.
class PinHolders {
 public:
  /// Since when others can have reached this process to be asked: some it knows only when they have.
  void begin(MonotonicTime now) { began_ = now; }
  /// Gives which of the slices asked for are pinned; nothing while somebody may have pinned any of them who
  /// does not answer, or is not known yet: at most kPinPatience from when that began.
  [[nodiscard]] std::optional<std::vector<DataId>> hear(std::vector<PinAnswer> answers, raft::Term term,
                                                        MonotonicTime now);

 private:
  struct Silence {
    MonotonicTime since;
    MonotonicTime asked;  ///< Last.
  };
  std::map<std::string, Silence> silent_;
  raft::Term term_ = 0;  ///< In which they were silent.
  MonotonicTime began_{};
};

}  // namespace flashstor::cluster
