#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/async/sync.h"
#include "engine/cluster/set_api.h"
#include "engine/cluster/undecided.h"
#include "engine/storage/write_marks.h"

/// Sets in memory for unit tests of what stands on them: planners run one after the other and their plans are
/// applied at once; data is a map. Nothing is durable and nothing suspends.
namespace flashstor::testing {

/// Ordered rows of all families.
class FakeRows final : public cluster::RowView {
 public:
  explicit FakeRows(std::uint64_t seed) : random_(seed) {}
  Task<Result<std::optional<std::string>>> get(Family family, std::string key) override;
  Task<Result<void>> scan(Family family, std::string lower, std::string upper, cluster::ScanVisitor visitor,
                          std::function<void()> restart) override;
  /// One microsecond later each time, unless set.
  WallTime now() override;
  Random& random() override { return random_; }
  [[nodiscard]] std::uint64_t leadership() const override { return leadership_; }
  void set_leadership(std::uint64_t leadership) { leadership_ = leadership; }

  void apply(const std::vector<RowChange>& changes);
  [[nodiscard]] const storage::WriteMarks& marks() const { return marks_; }
  void set_now(WallTime now) { now_ns_ = base::to_nanoseconds(now); }
  /// Rows that scans have shown.
  [[nodiscard]] std::size_t visited() const { return visited_; }
  /// Who reads rows under these names is told kTimeout, as after a wait.
  [[nodiscard]] cluster::UndecidedNames& undecided() { return undecided_; }
  /// Rows of one family.
  [[nodiscard]] const std::map<std::string, std::string>& rows(Family family) { return rows_[family]; }

 private:
  std::map<Family, std::map<std::string, std::string>> rows_;
  storage::WriteMarks marks_;
  cluster::UndecidedNames undecided_;
  std::size_t visited_ = 0;
  std::uint64_t leadership_ = 1;
  std::int64_t now_ns_ = 1'700'000'000'000'000'000;
  base::SeededRandom random_;
};

class FakeSet final : public cluster::SetApi {
 public:
  FakeSet(const cluster::CommandRegistry& registry, cluster::SetInfo info)
      : registry_(registry), info_(info), rows_(info.index + 1) {}

  [[nodiscard]] const cluster::SetInfo& info() const override { return info_; }
  [[nodiscard]] cluster::SetStatus status() const override;
  Task<Result<cluster::CommandResult>> execute(cluster::Command command) override;
  Task<Result<std::string>> query(cluster::CommandKind kind, std::string payload) override;
  Task<Result<void>> with_rows(std::function<Task<Result<void>>(cluster::RowView&)> read) override;
  [[nodiscard]] std::optional<cluster::RowsMark> mark(std::string_view name) override;
  Task<Result<std::unique_ptr<cluster::StageApi>>> stage(DataId id, Geometry geometry,
                                                         std::uint64_t expected_bytes) override;
  Task<Result<BufferChain>> read(DataRef data, std::uint64_t offset, std::uint64_t length) override;
  [[nodiscard]] std::unique_ptr<cluster::DataPin> pin(const DataRef& data) override;

  // Switches of tests.
  /// with_rows says kNotLeader, so that everything goes through `query`.
  void set_remote(bool remote) { remote_ = remote; }
  /// What a plan defers to its confirming record is applied with the next command (as a set may do), not at
  /// once.
  void set_lazy_confirm(bool lazy) { lazy_confirm_ = lazy; }
  /// The next commands of `kind` end with these errors, before anything is planned.
  void fail_next(cluster::CommandKind kind, ErrorCode code) { failures_.emplace_back(kind, code); }
  /// The next command of `kind` is voided, as a new leader does with one that too few drives hold.
  void void_next(cluster::CommandKind kind) { voided_.push_back(kind); }
  /// The next command of `kind`, which has data, is made and nobody knows whether enough drives hold that:
  /// until `decide`, which confirms or voids it.
  void leave_undecided(cluster::CommandKind kind) { doubtful_.push_back(kind); }
  void decide(bool voided);
  /// Reads of data fail from now on with this error (nothing: they work again).
  void fail_reads(std::optional<ErrorCode> code) { read_failure_ = code; }
  /// The same for bytes that are staged.
  void fail_stages(std::optional<ErrorCode> code) { stage_failure_ = code; }
  /// Runs before each command is planned; for what happens in between.
  void set_before_execute(std::function<void(const cluster::Command&)> hook) { before_ = std::move(hook); }
  /// The next command of `kind` that is done is answered as if nothing were known of it.
  void lose_answer(cluster::CommandKind kind) { lost_answers_.push_back(kind); }
  /// The next answer to a command or query of `kind` is held back until `until`: what it answers has
  /// happened.
  void hold_answer(cluster::CommandKind kind, async::Event& until) { held_.emplace_back(kind, &until); }
  /// Frees what is due at `now` and not pinned, as a set does; gives how many slices went.
  std::size_t free_due(WallTime now);
  [[nodiscard]] std::size_t pinned() const { return pins_.size(); }
  /// Drops all stored data and due rows, so that a test can count anew.
  void forget_data();
  /// Bytes of keys and values in the largest plan since the reset.
  [[nodiscard]] std::size_t largest_entry() const { return largest_entry_; }
  void reset_largest_entry() { largest_entry_ = 0; }
  /// Applies what is still deferred.
  void confirm();

  [[nodiscard]] FakeRows& rows() { return rows_; }
  /// Data ids that are stored; data whose due row was written is still among them.
  [[nodiscard]] const std::map<DataId, std::string>& data() const { return data_; }
  [[nodiscard]] std::size_t staged() const { return staged_; }
  [[nodiscard]] std::size_t commands() const { return commands_; }
  [[nodiscard]] std::size_t reads() const { return reads_; }

 private:
  friend class FakeStage;
  class Pin;
  Result<void> take_failure(cluster::CommandKind kind);
  Task<Result<cluster::CommandResult>> execute_now(cluster::Command command);
  Task<void> wait_for_answer(cluster::CommandKind kind);
  const cluster::CommandRegistry& registry_;
  cluster::SetInfo info_;
  FakeRows rows_;
  std::map<DataId, std::string> data_;
  std::map<DataId, std::size_t> pins_;  ///< How often each is pinned.
  std::vector<RowChange> deferred_;
  std::deque<std::pair<cluster::CommandKind, ErrorCode>> failures_;
  std::deque<std::pair<cluster::CommandKind, async::Event*>> held_;
  std::deque<cluster::CommandKind> lost_answers_;
  std::deque<cluster::CommandKind> voided_;
  std::deque<cluster::CommandKind> doubtful_;
  cluster::Plan undecided_;
  std::optional<ErrorCode> read_failure_;
  std::optional<ErrorCode> stage_failure_;
  std::function<void(const cluster::Command&)> before_;
  bool remote_ = false;
  bool lazy_confirm_ = false;
  std::size_t staged_ = 0;  ///< Stages that were neither finished nor aborted.
  std::size_t commands_ = 0;
  std::size_t reads_ = 0;
  std::size_t largest_entry_ = 0;
  std::uint64_t revision_ = 0;
};

class FakeCluster final : public cluster::ClusterApi {
 public:
  /// `registry` must outlive it.
  explicit FakeCluster(const cluster::CommandRegistry& registry, std::uint32_t sets = 1,
                       std::uint32_t drives = 4);
  [[nodiscard]] cluster::SetApi& set_for(const Uuid& bucket_id, std::string_view key) override;
  [[nodiscard]] cluster::SetApi& set_at(std::uint32_t index) override { return *sets_[index]; }
  [[nodiscard]] std::uint32_t set_count() const override { return static_cast<std::uint32_t>(sets_.size()); }
  [[nodiscard]] Uuid deployment_id() const override { return {1, 2}; }
  [[nodiscard]] bool spans_nodes() const override { return spans_nodes_; }
  void set_spans_nodes(bool spans) { spans_nodes_ = spans; }

  [[nodiscard]] FakeSet& fake(std::uint32_t index) { return *sets_[index]; }
  void set_remote(bool remote);
  void set_lazy_confirm(bool lazy);

 private:
  std::vector<std::unique_ptr<FakeSet>> sets_;
  bool spans_nodes_ = false;
};

}  // namespace flashstor::testing
