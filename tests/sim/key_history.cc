#include "tests/sim/key_history.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

namespace flashstor::sim {
namespace {

bool has(const std::vector<int>& numbers, int number) {
  return std::ranges::find(numbers, number) != numbers.end();
}

}  // namespace

int KeyHistory::call(Operation operation) {
  operations_.push_back(operation);
  if (operation.kind == Kind::kDeleteVersion) removed_.insert(operation.target);
  if (operation.kind == Kind::kReadVersion) read_.insert(operation.target);
  const int number = static_cast<int>(operations_.size()) - 1;
  events_.push_back({.what = Event::What::kCall, .number = number});
  return number;
}

void KeyHistory::answer(int number, Outcome outcome, int content) {
  Operation& operation = operations_[static_cast<std::size_t>(number)];
  operation.outcome = outcome;
  if (operation.kind == Kind::kRead || operation.kind == Kind::kReadVersion) operation.content = content;
  events_.push_back({.what = Event::What::kAnswer, .number = number});
}

void KeyHistory::lose(int number, std::uint64_t life) {
  Operation& operation = operations_[static_cast<std::size_t>(number)];
  const bool reads = operation.kind == Kind::kRead || operation.kind == Kind::kReadVersion;
  operation.outcome = reads ? Outcome::kNever : Outcome::kUnknown;
  operation.lost_in = life;
}

void KeyHistory::decide(std::uint64_t life) {
  events_.push_back({.what = Event::What::kDecide, .life = life});
}

int KeyHistory::top(const State& state) const {
  return state.empty() ? kNothing : operation(state.back()).content;
}

std::optional<KeyHistory::State> KeyHistory::apply(const State& state, int number) const {
  const Operation& operation = this->operation(number);
  const bool done = operation.outcome == Outcome::kDone || operation.outcome == Outcome::kUnknown;
  const auto with = [&] {
    State after = versioned_ ? state : State{};
    after.push_back(number);
    return after;
  };
  switch (operation.kind) {
    case Kind::kPut:
      return with();
    case Kind::kPutIfAbsent:
    case Kind::kPutIfMatch: {
      const bool holds = top(state) == (operation.kind == Kind::kPutIfMatch ? operation.expected : kNothing);
      if (holds != done) return std::nullopt;
      return done ? with() : state;
    }
    case Kind::kDelete:
      return versioned_ ? with() : State{};
    case Kind::kDeleteVersion: {
      State after = state;
      std::erase(after, operation.target);
      return after;
    }
    case Kind::kRead:
      if (top(state) != operation.content) return std::nullopt;
      return state;
    case Kind::kReadVersion:
      if (has(state, operation.target) != done) return std::nullopt;
      return state;
  }
  return std::nullopt;
}

void KeyHistory::forget(State& state) const {
  const auto barrier = std::ranges::find_if(state.rbegin(), state.rend(),
                                            [this](int number) { return !removed_.contains(number); });
  if (barrier == state.rend()) return;
  const auto under = state.begin() + (state.rend() - barrier - 1);
  const auto kept =
      std::remove_if(state.begin(), under, [this](int number) { return !read_.contains(number); });
  std::sort(state.begin(), kept);
  state.erase(kept, under);
}

bool KeyHistory::buries(int next) const {
  const Operation& operation = this->operation(next);
  if (operation.kind != Kind::kPut && operation.kind != Kind::kDelete) return false;
  return !versioned_ || !removed_.contains(next);
}

void KeyHistory::simplify(Moment& moment) const {
  const auto gone = std::erase_if(moment.required, [&](int number) {
    const Operation& operation = this->operation(number);
    const bool changes_nothing = operation.kind == Kind::kRead || operation.kind == Kind::kReadVersion ||
                                 operation.outcome == Outcome::kRefused;
    return changes_nothing && apply(moment.state, number).has_value();
  });
  if (gone != 0) moment.unseen = false;
}

bool KeyHistory::is_new(Tried& tried, const Moment& moment) {
  auto& before = tried[{moment.state, moment.unseen, moment.required}];
  const auto lies_in = [](const std::vector<int>& less, const std::vector<int>& more) {
    return std::ranges::includes(more, less);
  };
  for (const std::vector<int>& optional : before)
    if (lies_in(moment.optional, optional)) return false;
  std::erase_if(before, [&](const std::vector<int>& optional) { return lies_in(optional, moment.optional); });
  before.push_back(moment.optional);
  return true;
}

int KeyHistory::rank(int next, int number) const {
  const Operation& wants = operation(number);
  const bool sees = wants.kind == Kind::kRead && operation(next).content == wants.content;
  const bool matches = wants.kind == Kind::kPutIfMatch && operation(next).content == wants.expected;
  if (next == number) return 0;
  if (sees || matches) return 1;
  return operation(next).outcome == Outcome::kUnknown ? 3 : 2;
}

void KeyHistory::take_effect(const Moment& from, int number, std::vector<Moment>& open) const {
  std::vector<int> order = from.required;
  order.insert(order.end(), from.optional.begin(), from.optional.end());
  if (number >= 0)
    std::ranges::sort(order, std::greater(), [&](int next) { return std::pair(rank(next, number), next); });
  for (const int next : order) {
    if (from.unseen && buries(next)) continue;
    auto after = apply(from.state, next);
    if (!after) continue;
    Moment there = from;
    there.state = std::move(*after);
    forget(there.state);
    there.unseen = operation(next).outcome == Outcome::kUnknown && buries(next) && !read_.contains(next);
    std::erase(operation(next).outcome == Outcome::kUnknown ? there.optional : there.required, next);
    simplify(there);
    open.push_back(std::move(there));
  }
}

void KeyHistory::follow(const Moment& moment, std::vector<Moment>& open) const {
  const Event& event = events_[moment.event];
  Moment next = moment;
  ++next.event;
  switch (event.what) {
    case Event::What::kCall:
      if (operation(event.number).outcome == Outcome::kUnknown) {
        next.optional.push_back(event.number);
      } else if (operation(event.number).outcome != Outcome::kNever) {
        next.required.push_back(event.number);
        simplify(next);
      }
      break;
    case Event::What::kAnswer:
      if (has(moment.required, event.number)) return take_effect(moment, event.number, open);
      break;
    case Event::What::kDecide:
      if (std::erase_if(next.optional, [&](int number) { return is_settled_by(number, event.life); }) != 0)
        take_effect(moment, -1, open);
      break;
  }
  open.push_back(std::move(next));
}

std::string KeyHistory::describe(std::size_t event, const Tried& tried) const {
  const int number = events_[event].number;
  if (number < 0) return "what was lost fits no order";
  const Operation& operation = this->operation(number);
  std::string could;
  std::set<int> tops;
  for (const auto& [moment, optional] : tried) tops.insert(top(std::get<0>(moment)));
  for (const int content : tops) could += fmt::format(" {}", content);
  return fmt::format("operation {} (kind {}, content {}, outcome {}) fits no order; the key could hold:{}",
                     number, static_cast<int>(operation.kind), operation.content,
                     static_cast<int>(operation.outcome), could);
}

std::string KeyHistory::check(bool& undetermined) const {
  std::vector<Tried> tried(events_.size());
  std::vector<Moment> open(1);
  std::size_t moments = 0;
  std::size_t furthest = 0;
  while (!open.empty()) {
    const Moment here = std::move(open.back());
    open.pop_back();
    if (here.event == events_.size()) return {};
    furthest = std::max(furthest, here.event);
    if (!is_new(tried[here.event], here)) continue;
    undetermined = ++moments > kMostMoments;
    if (undetermined) return {};
    follow(here, open);
  }
  return describe(furthest, tried[furthest]);
}

}  // namespace flashstor::sim
