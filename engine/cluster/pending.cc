#include "engine/cluster/pending.h"

#include <algorithm>
#include <iterator>

namespace flashstor::cluster {
namespace {

template <class T>
std::vector<T> take_front(std::vector<T>& from, std::size_t most) {
  if (from.size() <= most) return std::exchange(from, {});
  const auto end = from.begin() + static_cast<std::ptrdiff_t>(most);
  std::vector<T> out(std::make_move_iterator(from.begin()), std::make_move_iterator(end));
  from.erase(from.begin(), end);
  return out;
}

}  // namespace

void Pending::board(storage::EntryBody& body, std::size_t most_confirms, std::size_t most_changes) {
  if (!waiting_.confirms.empty()) body.confirms = take_front(waiting_.confirms, most_confirms);
  if (waiting_.changes.empty()) return;
  auto changes = take_front(waiting_.changes, most_changes);
  std::ranges::move(changes, std::back_inserter(body.changes));
}

void Pending::boarded(raft::Index index, const storage::EntryBody& body, std::size_t own_changes) {
  if (body.confirms.empty() && body.changes.size() == own_changes) return;
  Riders riders{.index = index, .confirms = body.confirms, .changes = {}};
  riders.changes.assign(body.changes.begin() + static_cast<std::ptrdiff_t>(own_changes), body.changes.end());
  under_way_.push_back(std::move(riders));
}

void Pending::unboard(const storage::EntryBody& body, std::size_t own_changes) {
  waiting_.confirms.insert(waiting_.confirms.begin(), body.confirms.begin(), body.confirms.end());
  waiting_.changes.insert(waiting_.changes.begin(),
                          body.changes.begin() + static_cast<std::ptrdiff_t>(own_changes),
                          body.changes.end());
}

void Pending::applied(raft::Index index) {
  while (!under_way_.empty() && under_way_.front().index <= index) under_way_.pop_front();
}

void Pending::forget_versions() {
  restart();
  versions_.clear();
  waiting_.confirms.clear();
}

void Pending::restart() {
  Riders again;
  for (Riders& riders : under_way_) {
    std::ranges::copy_if(riders.confirms, std::back_inserter(again.confirms),
                         [this](std::uint64_t index) { return versions_.contains(index); });
    std::ranges::move(riders.changes, std::back_inserter(again.changes));
  }
  under_way_.clear();
  std::ranges::copy(waiting_.confirms, std::back_inserter(again.confirms));
  std::ranges::move(waiting_.changes, std::back_inserter(again.changes));
  waiting_ = std::move(again);
}

}  // namespace flashstor::cluster
