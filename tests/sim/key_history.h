#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace flashstor::sim {

/// What clients did to one key and what they were told, and whether any order of it makes sense: each
/// operation takes effect at one moment between its call and its answer; one whose client never learned the
/// outcome took effect once after its call, or never.
/// The state of a key is a stack of what was put, the newest on top: one element without versioning.
/// Method: all states that are possible so far are carried from answer to answer (Wing and Gong, 1993; Lowe,
/// 2017).
class KeyHistory {
 public:
  static constexpr int kNothing = -1;  ///< The content of an absent key and of a delete marker.
  enum class Kind : std::uint8_t {
    kPut,
    kPutIfAbsent,
    kPutIfMatch,     ///< `expected` is the content that must be there.
    kDelete,         ///< Without a version: a marker where there is versioning.
    kDeleteVersion,  ///< `target` is the operation that made the version.
    kRead,
    kReadVersion,
  };
  enum class Outcome : std::uint8_t { kOpen, kDone, kRefused, kUnknown, kNever };
  struct Operation {
    Kind kind = Kind::kRead;
    int content = kNothing;  ///< What is put, or what was read.
    int expected = kNothing;
    int target = -1;
    Outcome outcome = Outcome::kOpen;
    std::uint64_t lost_in = 0;  ///< The life of the process in which its outcome was lost.
  };

  explicit KeyHistory(bool versioned) : versioned_(versioned) {}

  /// Gives the operation's number.
  int call(Operation operation);
  /// kDone, kRefused (a condition that did not hold; a version that was not there) or kNever (it failed and
  /// changed nothing). `content`: what a read saw.
  void answer(int number, Outcome outcome, int content = kNothing);
  /// Nobody will learn what came of it.
  void lose(int number, std::uint64_t life);
  /// Whatever was lost before `life` has happened or never will: a later change was acknowledged.
  void decide(std::uint64_t life);
  /// Empty, or what does not fit. Sets `undetermined` when there were too many possibilities to follow.
  [[nodiscard]] std::string check(bool& undetermined) const;
  [[nodiscard]] const Operation& operation(int number) const {
    return operations_[static_cast<std::size_t>(number)];
  }
  [[nodiscard]] std::size_t size() const { return operations_.size(); }
  /// Operations whose outcome nobody learned.
  [[nodiscard]] std::uint64_t unknown() const {
    return static_cast<std::uint64_t>(
        std::ranges::count(operations_, Outcome::kUnknown, &Operation::outcome));
  }

 private:
  using State = std::vector<int>;
  /// What lies there, and which of the called operations have not taken effect.
  using Possibility = std::pair<State, std::vector<int>>;
  using Possibilities = std::set<Possibility>;
  struct Event {
    enum class What : std::uint8_t { kCall, kAnswer, kDecide } what;
    int number = -1;
    std::uint64_t life = 0;
  };
  [[nodiscard]] std::optional<State> apply(const State& state, int number) const;
  [[nodiscard]] int top(const State& state) const;
  [[nodiscard]] bool is_settled_by(int number, std::uint64_t life) const {
    return operation(number).outcome == Outcome::kUnknown && operation(number).lost_in < life;
  }
  /// Possibilities in which what was lost before `life` has taken effect or never will. False: as
  /// take_effect.
  [[nodiscard]] bool settle(const Possibility& one, std::uint64_t life, Possibilities& out) const;
  /// Possibilities in which `number` has just taken effect, after any of the others that may come before it.
  /// False: there are too many to follow.
  [[nodiscard]] bool take_effect(const Possibility& from, int number, Possibilities& out) const;
  /// What changes nothing and fits here takes effect here: later it could only fit worse.
  void simplify(Possibility& one) const;
  [[nodiscard]] std::string describe(int number, const Possibilities& before) const;

  static constexpr std::size_t kMostPossibilities = 3000;
  bool versioned_;
  std::vector<Operation> operations_;
  std::vector<Event> events_;
};

}  // namespace flashstor::sim
