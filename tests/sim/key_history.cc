#include "tests/sim/key_history.h"

#include <fmt/core.h>

#include <algorithm>

namespace flashstor::sim {
namespace {

bool has(const std::vector<int>& numbers, int number) {
  return std::ranges::find(numbers, number) != numbers.end();
}

}  // namespace

int KeyHistory::call(Operation operation) {
  operations_.push_back(operation);
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

void KeyHistory::simplify(Possibility& one) const {
  std::erase_if(one.second, [&](int number) {
    const Operation& operation = this->operation(number);
    const bool changes_nothing = operation.kind == Kind::kRead || operation.kind == Kind::kReadVersion ||
                                 operation.outcome == Outcome::kRefused;
    return changes_nothing && apply(one.first, number).has_value();
  });
}

bool KeyHistory::take_effect(const Possibility& from, int number, Possibilities& out) const {
  std::vector<Possibility> open{from};
  Possibilities seen;
  while (!open.empty()) {
    if (seen.size() >= kMostPossibilities) return false;
    const Possibility here = std::move(open.back());
    open.pop_back();
    if (!seen.insert(here).second) continue;
    for (const int next : here.second) {
      auto after = apply(here.first, next);
      if (!after) continue;
      Possibility there{std::move(*after), here.second};
      std::erase(there.second, next);
      simplify(there);
      if (!has(there.second, number)) {
        out.insert(std::move(there));
      } else {
        open.push_back(std::move(there));
      }
    }
  }
  return true;
}

std::string KeyHistory::describe(int number, const Possibilities& before) const {
  const Operation& operation = this->operation(number);
  std::string could;
  std::set<int> tops;
  for (const auto& [state, pending] : before) tops.insert(top(state));
  for (const int content : tops) could += fmt::format(" {}", content);
  return fmt::format("operation {} (kind {}, content {}, outcome {}) fits no order; the key could hold:{}",
                     number, static_cast<int>(operation.kind), operation.content,
                     static_cast<int>(operation.outcome), could);
}

bool KeyHistory::settle(const Possibility& one, std::uint64_t life, Possibilities& out) const {
  std::vector<int> lost;
  for (const int number : one.second)
    if (is_settled_by(number, life)) lost.push_back(number);
  Possibilities now{one};
  for (const int number : lost) {
    Possibilities next;
    for (const Possibility& each : now) {
      if (has(each.second, number) && !take_effect(each, number, next)) return false;
      next.insert(each);
      if (next.size() > kMostPossibilities) return false;
    }
    now = std::move(next);
  }
  // In whatever order they took effect: those that did not now never will.
  for (Possibility each : now) {
    std::erase_if(each.second, [&](int number) { return is_settled_by(number, life); });
    out.insert(std::move(each));
  }
  return true;
}

std::string KeyHistory::check(bool& undetermined) const {
  Possibilities now{{State{}, {}}};
  for (const Event& event : events_) {
    Possibilities next;
    if (event.what == Event::What::kDecide) {
      for (const Possibility& one : now) {
        undetermined = next.size() > kMostPossibilities || !settle(one, event.life, next);
        if (undetermined) return {};
      }
    } else if (operation(event.number).outcome == Outcome::kNever) {
      continue;
    } else if (event.what == Event::What::kCall) {
      for (Possibility one : now) {
        one.second.push_back(event.number);
        simplify(one);
        next.insert(std::move(one));
      }
    } else {
      for (const Possibility& one : now) {
        if (has(one.second, event.number)) {
          undetermined = next.size() > kMostPossibilities || !take_effect(one, event.number, next);
          if (undetermined) return {};
        } else {
          next.insert(one);
        }
      }
      if (next.empty()) return describe(event.number, now);
    }
    if (next.size() > kMostPossibilities) {
      undetermined = true;
      return {};
    }
    now = std::move(next);
  }
  return {};
}

}  // namespace flashstor::sim
