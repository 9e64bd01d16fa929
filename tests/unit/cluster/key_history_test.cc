#include "tests/sim/key_history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <random>

#include "tests/sim/key_history.cc"  // NOLINT(bugprone-suspicious-include): the simulator is not a library

namespace flashstor::sim {
namespace {

using Kind = KeyHistory::Kind;
using Outcome = KeyHistory::Outcome;
using Operation = KeyHistory::Operation;

constexpr int kNothing = KeyHistory::kNothing;

/// A history that is written down and, beside it, what a look at every order needs.
class Recorded {
 public:
  explicit Recorded(bool versioned) : versioned_(versioned), history_(versioned) {}

  int call(Operation operation) {
    spans_.push_back({.operation = operation, .begin = now_++});
    return history_.call(operation);
  }
  void answer(int number, Outcome outcome, int content = kNothing) {
    Span& span = at(number);
    span.end = now_++;
    span.operation.outcome = outcome;
    if (span.operation.kind == Kind::kRead || span.operation.kind == Kind::kReadVersion)
      span.operation.content = content;
    history_.answer(number, outcome, content);
  }
  void lose(int number, std::uint64_t life) {
    at(number).operation.outcome = Outcome::kUnknown;
    at(number).life = life;
    history_.lose(number, life);
  }
  void decide(std::uint64_t life) {
    for (Span& span : spans_)
      if (span.operation.outcome == Outcome::kUnknown && span.life < life)
        span.end = std::min(span.end, now_);
    ++now_;
    history_.decide(life);
  }
  [[nodiscard]] bool fits(bool& undetermined) const { return history_.check(undetermined).empty(); }

  /// Whether some order holds, found by trying all of them.
  [[nodiscard]] bool fits_by_trial() const { return try_from({}, 0, 0); }

 private:
  struct Span {
    Operation operation;
    int begin = 0;
    int end = std::numeric_limits<int>::max();
    std::uint64_t life = 0;
  };
  Span& at(int number) { return spans_[static_cast<std::size_t>(number)]; }

  /// `used`: mask of those that took effect. `latest`: the highest begin among them.
  [[nodiscard]] bool try_from(const std::vector<int>& stack, std::uint32_t used, int latest) const {
    bool complete = true;
    for (std::size_t i = 0; i < spans_.size(); ++i) {
      const Outcome outcome = spans_[i].operation.outcome;
      if ((used >> i & 1) == 0 && (outcome == Outcome::kDone || outcome == Outcome::kRefused))
        complete = false;
    }
    if (complete) return true;
    for (std::size_t i = 0; i < spans_.size(); ++i) {
      const Span& span = spans_[i];
      // It comes after all that were called before; none that it follows may have begun after its end.
      if ((used >> i & 1) != 0 || span.operation.outcome == Outcome::kNever || span.end < latest) continue;
      std::vector<int> after = stack;
      if (!take(after, static_cast<int>(i))) continue;
      if (try_from(after, used | 1U << i, std::max(latest, span.begin))) return true;
    }
    return false;
  }

  [[nodiscard]] int content_on(const std::vector<int>& stack) const {
    return stack.empty() ? kNothing : spans_[static_cast<std::size_t>(stack.back())].operation.content;
  }

  /// False when it cannot have come out as it did.
  [[nodiscard]] bool take(std::vector<int>& stack, int number) const {
    const Operation& operation = spans_[static_cast<std::size_t>(number)].operation;
    const bool done = operation.outcome != Outcome::kRefused;
    const bool there = std::ranges::find(stack, operation.target) != stack.end();
    bool holds = true;
    switch (operation.kind) {
      case Kind::kRead:
        return content_on(stack) == operation.content;
      case Kind::kReadVersion:
        return there == done;
      case Kind::kDeleteVersion:
        std::erase(stack, operation.target);
        return true;
      case Kind::kPutIfAbsent:
        holds = content_on(stack) == kNothing;
        break;
      case Kind::kPutIfMatch:
        holds = content_on(stack) == operation.expected;
        break;
      default:
        break;
    }
    if (holds != done) return false;
    if (!done) return true;
    if (!versioned_) stack.clear();
    if (versioned_ || operation.kind != Kind::kDelete) stack.push_back(number);
    return true;
  }

  bool versioned_;
  KeyHistory history_;
  std::vector<Span> spans_;
  int now_ = 0;
};

/// Up to seven operations that overlap at will, with outcomes drawn at will: some fit and some do not.
Recorded draw(std::mt19937& random) {
  const auto below = [&random](std::size_t bound) { return static_cast<int>(random() % bound); };
  const bool versioned = below(2) == 0;
  Recorded out(versioned);
  std::vector<int> open;
  std::vector<std::pair<int, Operation>> made;
  const int count = 3 + below(5);
  int called = 0;
  std::uint64_t life = 0;
  while (called < count || !open.empty()) {
    if (called < count && (open.empty() || below(2) == 0)) {
      constexpr std::array kKinds = {
          Kind::kPut,           Kind::kPut,  Kind::kPutIfAbsent, Kind::kPutIfMatch, Kind::kDelete,
          Kind::kDeleteVersion, Kind::kRead, Kind::kRead,        Kind::kRead,       Kind::kReadVersion};
      Operation operation{.kind = kKinds[static_cast<std::size_t>(below(kKinds.size()))], .content = called};
      const bool names_version =
          operation.kind == Kind::kDeleteVersion || operation.kind == Kind::kReadVersion;
      if (names_version && (!versioned || made.empty())) operation.kind = Kind::kRead;
      if (operation.kind == Kind::kDelete || operation.kind >= Kind::kDeleteVersion)
        operation.content = kNothing;
      if (operation.kind == Kind::kPutIfMatch) operation.expected = below(3) - 1;
      if (!made.empty()) operation.target = made[static_cast<std::size_t>(below(made.size()))].first;
      const int number = out.call(operation);
      open.push_back(number);
      made.emplace_back(number, operation);
      ++called;
      continue;
    }
    const auto which = static_cast<std::size_t>(below(open.size()));
    const int number = open[which];
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
    const Operation& operation = made[static_cast<std::size_t>(number)].second;
    const bool conditional = operation.kind == Kind::kPutIfAbsent || operation.kind == Kind::kPutIfMatch ||
                             operation.kind == Kind::kReadVersion;
    const bool reads = operation.kind == Kind::kRead || operation.kind == Kind::kReadVersion;
    if (!reads && below(3) == 0) {
      out.lose(number, life);
    } else {
      out.answer(number, conditional && below(2) == 0 ? Outcome::kRefused : Outcome::kDone, below(4) - 1);
    }
    if (below(6) == 0) out.decide(++life);
  }
  return out;
}

TEST(KeyHistory, SaysWhatATrialOfAllOrdersSays) {
  std::mt19937 random(1);
  int good = 0;
  int bad = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Recorded history = draw(random);
    const bool expected = history.fits_by_trial();
    bool undetermined = false;
    ASSERT_EQ(history.fits(undetermined), expected) << "history " << i;
    ASSERT_FALSE(undetermined);
    ++(expected ? good : bad);
  }
  EXPECT_GT(good, 2000);
  EXPECT_GT(bad, 2000);
}

/// Thirteen puts at once, of which six are never answered, and reads between them: more than three thousand
/// orders at every step, of which the first that is tried will do.
TEST(KeyHistory, FollowsManyWritesAtOnce) {
  for (const bool versioned : {false, true}) {
    KeyHistory history(versioned);
    std::vector<int> puts;
    for (int i = 0; i < 13; ++i) puts.push_back(history.call({.kind = Kind::kPut, .content = i}));
    for (int i = 0; i < 6; ++i) history.lose(puts[static_cast<std::size_t>(i)], 0);
    for (int i = 12; i > 2; --i) {
      const int read = history.call({.kind = Kind::kRead});
      history.answer(read, Outcome::kDone, i);
      if (i > 5) history.answer(puts[static_cast<std::size_t>(i)], Outcome::kDone);
    }
    history.decide(1);
    bool undetermined = false;
    EXPECT_EQ(history.check(undetermined), "");
    EXPECT_FALSE(undetermined);
    const int stale = history.call({.kind = Kind::kRead});
    history.answer(stale, Outcome::kDone, 12);
    EXPECT_NE(history.check(undetermined), "");
  }
}

}  // namespace
}  // namespace flashstor::sim
