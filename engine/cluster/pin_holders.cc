#include "engine/cluster/pin_holders.h"

#include <algorithm>
#include <iterator>

#include "engine/cluster/limits.h"

namespace flashstor::cluster {

std::optional<std::vector<DataId>> PinHolders::hear(std::vector<PinAnswer> answers, raft::Term term,
                                                    MonotonicTime now) {
  if (std::exchange(term_, term) != term) silent_.clear();
  std::map<std::string, Silence> silent;
  std::vector<DataId> pinned;
  bool wait = now < began_ + limits::kPinPatience;
  for (PinAnswer& answer : answers) {
    if (answer.answered) {
      std::ranges::move(answer.pinned, std::back_inserter(pinned));
      continue;
    }
    // Whoever was not asked for long may have answered in between, and have pinned what he reads now.
    const auto before = silent_.find(answer.holder);
    const bool goes_on = before != silent_.end() && now < before->second.asked + limits::kPinSilence;
    const Silence silence{.since = goes_on ? before->second.since : now, .asked = now};
    wait = wait || now < silence.since + limits::kPinPatience;
    silent.emplace(std::move(answer.holder), silence);
  }
  silent_ = std::move(silent);
  if (wait) return std::nullopt;
  return pinned;
}

}  // namespace flashstor::cluster
