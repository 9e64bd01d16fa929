#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace flashstor::sim {

/// What clients did to one key and what they were told, and whether any order of it makes sense: each
/// operation takes effect at one moment between its call and its answer; one whose client never learned the
/// outcome took effect once after its call, or never.
/// The state of a key is a stack of what was put, the newest on top: one element without versioning.
/// Method: an order is sought step by step, the likeliest first; what was tried in vain, or less than it, is
/// not tried again (Wing and Gong, 1993; Lowe, 2017).
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
  /// A moment of an order: the next event, what lies there, and which of the called operations have not taken
  /// effect. Of those the ones with an answer must; the ones of unknown outcome may.
  struct Moment {
    std::size_t event = 0;
    State state;
    bool unseen = false;  ///< What lies on top may never have happened, and nothing that holds says it has.
    std::vector<int> required;
    std::vector<int> optional;
  };
  /// What was tried at one event: by state and what must still take effect, what might.
  using Tried = std::map<std::tuple<State, bool, std::vector<int>>, std::vector<std::vector<int>>>;
  struct Event {
    enum class What : std::uint8_t { kCall, kAnswer, kDecide } what;
    int number = -1;
    std::uint64_t life = 0;
  };
  [[nodiscard]] std::optional<State> apply(const State& state, int number) const;
  [[nodiscard]] int top(const State& state) const;
  [[nodiscard]] bool is_settled_by(int number, std::uint64_t life) const {
    return operation(number).lost_in < life;
  }
  /// False when a moment from which as much is possible was tried before. (Whatever may take effect need
  /// not.)
  [[nodiscard]] static bool is_new(Tried& tried, const Moment& moment);
  /// Adds what may come next, the likeliest last.
  void follow(const Moment& moment, std::vector<Moment>& open) const;
  /// Adds the moments in which one of those that have not taken effect just has; the likeliest last, with
  /// `number` in view (-1: none).
  void take_effect(const Moment& from, int number, std::vector<Moment>& open) const;
  /// How early `next` should be tried when `number` must take effect: the lower the earlier.
  [[nodiscard]] int rank(int next, int number) const;
  /// Leaves out what nobody can tell any more: what lies under one that is never removed by its version,
  /// unless its own version is read.
  void forget(State& state) const;
  /// Once `next` took effect, what lay on top before it makes no difference any more.
  [[nodiscard]] bool buries(int next) const;
  /// What changes nothing and fits here takes effect here: later it could only fit worse.
  void simplify(Moment& moment) const;
  [[nodiscard]] std::string describe(std::size_t event, const Tried& tried) const;

  /// A history in which so many moments were tried without an end is given up.
  static constexpr std::size_t kMostMoments = 300'000;
  bool versioned_;
  std::vector<Operation> operations_;
  std::set<int> removed_;  ///< Those whose version a later operation names, to remove it or to read it.
  std::set<int> read_;
  std::vector<Event> events_;
};

}  // namespace flashstor::sim
