#pragma once

#include <atomic>

#include "engine/cluster/peers/peers.h"
#include "engine/cluster/set.h"

namespace flashstor::cluster {

/// A set whose drives are on several nodes as a gateway sees it: changes and queries go to the leader's node,
/// data straight to and from the drives.
/// Errors:  while no leader is known a call waits for one, a change at most kWaitDeadline and then gives
/// kTimeout
///          (kReadOnly when too few drives answer for there to be one), a query at most kLeaderPatience and
///          is then answered without a leader if enough drives answer. A change whose node fell silent is
///          kUnknownOutcome.
/// Threads: any loop.
class RoutedSet final : public SetApi {
 public:
  /// Both outlive this.
  RoutedSet(ErasureSet& here, Peers& peers) : here_(here), peers_(peers) {}

  [[nodiscard]] const SetInfo& info() const override { return here_.info(); }
  [[nodiscard]] SetStatus status() const override { return here_.status(); }
  Task<Result<CommandResult>> execute(Command command) override;
  Task<Result<std::string>> query(CommandKind kind, std::string payload) override;
  Task<Result<void>> with_rows(std::function<Task<Result<void>>(RowView&)> read) override;
  [[nodiscard]] std::optional<RowsMark> mark(std::string_view name) override { return here_.mark(name); }
  Task<Result<std::unique_ptr<StageApi>>> stage(DataId id, Geometry geometry,
                                                std::uint64_t expected_bytes) override {
    return here_.stage(id, geometry, expected_bytes);
  }
  Task<Result<BufferChain>> read(DataRef data, std::uint64_t offset, std::uint64_t length) override {
    return here_.read(data, offset, length);
  }
  [[nodiscard]] std::unique_ptr<DataPin> pin(const DataRef& data) override { return here_.pin(data); }

 private:
  [[nodiscard]] bool leads_here() const;
  /// The node to ask now: this one too while it may become the leader.
  Task<Result<std::uint32_t>> find_leader(MonotonicTime deadline);
  /// No leader has been known for kLeaderPatience: reads go without one.
  [[nodiscard]] bool out_of_patience() const;
  Task<Result<CommandResult>> execute_at(std::uint32_t node, const Command& command, std::uint32_t staged);

  ErasureSet& here_;
  Peers& peers_;
};

}  // namespace flashstor::cluster
