#include "engine/cluster/peers/routed_set.h"

#include "engine/cluster/limits.h"

namespace flashstor::cluster {
namespace {

// How soon a node is asked again that did not lead or was not known.
constexpr Milliseconds kAskAgain{20};

}  // namespace

bool RoutedSet::leads_here() const { return here_.leader_node() == static_cast<int>(peers_.spread().self); }

bool RoutedSet::out_of_patience() const {
  const auto since = here_.leaderless_since();
  return since && Runtime::current()->now() >= *since + limits::kLeaderPatience;
}

Task<Result<std::uint32_t>> RoutedSet::find_leader(MonotonicTime deadline) {
  Runtime& runtime = *Runtime::current();
  while (true) {
    const int node = here_.leader_node();
    if (node >= 0 && peers_.is_up(static_cast<std::uint32_t>(node)))
      co_return static_cast<std::uint32_t>(node);
    if (out_of_patience() && !here_.may_elect())
      co_return fail(ErrorCode::kReadOnly, "too few drives of the set answer to take changes");
    if (here_.waits_ended()) co_return fail(ErrorCode::kCancelled, "this node is stopping");
    if (runtime.now() >= deadline) co_return fail(ErrorCode::kTimeout, "the set has no leader");
    co_await async::sleep_for(runtime, kAskAgain);
  }
}

Task<Result<CommandResult>> RoutedSet::execute_at(std::uint32_t node, const Command& command,
                                                  std::uint32_t staged) {
  if (node == peers_.spread().self) co_return co_await here_.execute(command);
  co_return co_await peers_.execute(node, info().index, command, staged);
}

Task<Result<CommandResult>> RoutedSet::execute(Command command) {
  Runtime& runtime = *Runtime::current();
  const MonotonicTime deadline = runtime.now() + limits::kWaitDeadline;
  const bool is_file = command.data.place == DataPlace::kFile;
  const std::uint32_t staged = is_file ? here_.staged_here(command.data) : 0;
  while (true) {
    auto leader = co_await find_leader(deadline);
    Result<CommandResult> result = leader ? Result<CommandResult>(CommandResult{})
                                          : Result<CommandResult>(std::unexpected(leader.error()));
    if (leader) result = co_await execute_at(*leader, command, staged);
    const bool moved = !result && result.error().code() == ErrorCode::kNotLeader;
    if (moved && runtime.now() < deadline && !here_.waits_ended()) {
      // Nothing was proposed there; what was staged stays for the next.
      if (is_file) here_.adopt_staged(command.data.id, staged);
      co_await async::sleep_for(runtime, kAskAgain);
      continue;
    }
    if (moved) result = fail(ErrorCode::kTimeout, "the set's leader changes");
    const bool unknown = !result && result.error().code() == ErrorCode::kUnknownOutcome;
    const bool named = unknown || (result && result->revision != 0);
    if (is_file) co_await here_.give_up_staged(command.data.id, !named);
    co_return result;
  }
}

Task<Result<std::string>> RoutedSet::query(CommandKind kind, std::string payload) {
  Runtime& runtime = *Runtime::current();
  const MonotonicTime deadline = runtime.now() + limits::kWaitDeadline;
  while (true) {
    if (out_of_patience()) {
      auto answer = co_await peers_.query_leaderless(info().index, kind, payload);
      if (answer || runtime.now() >= deadline || here_.waits_ended()) co_return answer;
      // Nodes may only be starting; those that have been away for long are not waited for.
      const ErrorCode code = answer.error().code();
      const auto since = here_.leaderless_since();
      const bool young = !since || runtime.now() < *since + limits::kWaitDeadline;
      if (code != ErrorCode::kNotLeader && (code != ErrorCode::kReadQuorum || !young)) co_return answer;
      co_await async::sleep_for(runtime, kAskAgain);
      continue;
    }
    const auto leader = co_await find_leader(std::min(deadline, runtime.now() + limits::kLeaderPatience));
    if (!leader && runtime.now() < deadline && !here_.waits_ended()) continue;
    const std::uint32_t node = co_await or_return(leader);
    auto answer = node == peers_.spread().self ? co_await here_.query(kind, payload)
                                               : co_await peers_.query(node, info().index, kind, payload);
    if (answer) co_return answer;
    const ErrorCode code = answer.error().code();
    // A read may be repeated whatever became of it.
    const bool again = code == ErrorCode::kNotLeader || code == ErrorCode::kIo || code == ErrorCode::kTimeout;
    if (!again || runtime.now() >= deadline || here_.waits_ended()) {
      if (code == ErrorCode::kNotLeader) co_return fail(ErrorCode::kTimeout, "the set's leader changes");
      co_return answer;
    }
    co_await async::sleep_for(runtime, kAskAgain);
  }
}

Task<Result<void>> RoutedSet::with_rows(std::function<Task<Result<void>>(RowView&)> read) {
  if (!leads_here()) co_return fail(ErrorCode::kNotLeader);
  co_return co_await here_.with_rows(std::move(read));
}

}  // namespace flashstor::cluster
