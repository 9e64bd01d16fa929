#include "tests/support/fake_set.h"

#include <algorithm>
#include <functional>

#include "engine/cluster/due.h"

namespace flashstor::testing {

class FakeSet::Pin final : public cluster::DataPin {
 public:
  Pin(FakeSet& set, const DataId& id) : set_(set), id_(id) { ++set_.pins_[id]; }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin() override {
    if (--set_.pins_[id_] == 0) set_.pins_.erase(id_);
  }

 private:
  FakeSet& set_;
  DataId id_;
};

Task<Result<std::optional<std::string>>> FakeRows::get(Family family, std::string key) {
  if (undecided_.covers(cluster::lock_name(family, key))) co_return fail(ErrorCode::kTimeout, "undecided");
  const auto& rows = rows_[family];
  const auto at = rows.find(key);
  if (at == rows.end()) co_return std::nullopt;
  co_return at->second;
}

Task<Result<void>> FakeRows::scan(Family family, std::string lower, std::string upper,
                                  cluster::ScanVisitor visitor, std::function<void()>) {
  const auto& rows = rows_[family];
  auto at = rows.lower_bound(lower);
  while (at != rows.end() && (upper.empty() || at->first < upper)) {
    ++visited_;
    if (undecided_.covers(cluster::lock_name(family, at->first)))
      co_return fail(ErrorCode::kTimeout, "undecided");
    const cluster::ScanStep step = visitor(at->first, at->second);
    if (step.kind == cluster::ScanStep::Kind::kStop) break;
    if (step.kind == cluster::ScanStep::Kind::kSeek)
      at = rows.lower_bound(step.seek_to);
    else
      ++at;
  }
  co_return {};
}

WallTime FakeRows::now() {
  now_ns_ += 1000;
  return base::from_nanoseconds(now_ns_);
}

void FakeRows::apply(const std::vector<RowChange>& changes) {
  std::vector<storage::RowChangeView> views;
  for (const RowChange& change : changes) views.push_back(storage::RowChangeView::of(change));
  const storage::WriteMarks::Writing writing(marks_, views);
  for (const RowChange& change : changes) {
    auto& rows = rows_[change.family];
    if (change.value)
      rows[change.key] = *change.value;
    else
      rows.erase(change.key);
  }
}

cluster::SetStatus FakeSet::status() const {
  cluster::SetStatus status;
  status.info = info_;
  status.can_write = true;
  status.can_read = true;
  status.committed = revision_;
  status.applied = revision_;
  return status;
}

void FakeSet::forget_data() {
  data_.clear();
  std::vector<RowChange> due;
  for (const auto& [key, value] : rows_.rows(Family::kDue)) due.push_back({Family::kDue, key, std::nullopt});
  rows_.apply(due);
}

void FakeSet::decide(bool voided) {
  rows_.undecided().clear();
  rows_.apply(voided ? undecided_.on_void : undecided_.on_confirm);
  undecided_ = {};
}

void FakeSet::confirm() { rows_.apply(std::exchange(deferred_, {})); }

Task<Result<cluster::CommandResult>> FakeSet::execute(cluster::Command command) {
  const cluster::CommandKind kind = command.kind;
  auto done = co_await execute_now(std::move(command));
  co_await wait_for_answer(kind);
  if (const auto lost = std::ranges::find(lost_answers_, kind); done && lost != lost_answers_.end()) {
    lost_answers_.erase(lost);
    co_return fail(ErrorCode::kUnknownOutcome, "as the test wants");
  }
  co_return done;
}

Task<void> FakeSet::wait_for_answer(cluster::CommandKind kind) {
  const auto held = std::ranges::find(held_, kind, &std::pair<cluster::CommandKind, async::Event*>::first);
  if (held == held_.end()) co_return;
  async::Event& until = *held->second;
  held_.erase(held);
  co_await until.wait();
}

Result<void> FakeSet::take_failure(cluster::CommandKind kind) {
  const auto failure = std::ranges::find(failures_, kind, &std::pair<cluster::CommandKind, ErrorCode>::first);
  if (failure == failures_.end()) return {};
  const ErrorCode code = failure->second;
  failures_.erase(failure);
  return fail(code, "as the test wants");
}

Task<Result<cluster::CommandResult>> FakeSet::execute_now(cluster::Command command) {
  if (before_) before_(command);
  co_await or_return(take_failure(command.kind));
  const cluster::Planner* planner = registry_.planner(command.kind);
  if (planner == nullptr) co_return fail(ErrorCode::kNotImplemented, "no planner of this kind");
  auto plan = co_await (*planner)(rows_, command);
  if (command.data.place == DataPlace::kFile && (!plan || !plan->write))
    data_.erase(command.data.id);  // as a set drops what was staged and is not named
  if (!plan) co_return std::unexpected(plan.error());
  ++commands_;
  if (!plan->write) co_return cluster::CommandResult{.revision = 0, .response = std::move(plan->response)};
  if (command.data.place == DataPlace::kLog)
    data_[command.data.id] = std::string(command.bytes.flatten().view());
  std::size_t entry_bytes = 0;
  for (const auto* changes : {&plan->changes, &plan->on_confirm, &plan->on_void})
    for (const RowChange& change : *changes)
      entry_bytes += change.key.size() + change.value.value_or(std::string()).size();
  largest_entry_ = std::max(largest_entry_, entry_bytes);
  rows_.apply(plan->changes);
  confirm();
  if (const auto at = std::ranges::find(voided_, command.kind); at != voided_.end()) {
    voided_.erase(at);
    rows_.apply(plan->on_void);
    co_return fail(ErrorCode::kWriteQuorum, "as the test wants");
  }
  if (const auto at = std::ranges::find(doubtful_, command.kind); at != doubtful_.end()) {
    doubtful_.erase(at);
    std::vector<std::string> names;  // those of the leader that made it, not of its successors
    for (const cluster::LockName& lock : command.locks)
      if (lock.exclusive) names.push_back(lock.name);
    rows_.undecided().add(++revision_, std::move(names));
    undecided_ = std::move(*plan);
    co_return fail(ErrorCode::kUnknownOutcome, "as the test wants");
  }
  if (lazy_confirm_)
    deferred_ = std::move(plan->on_confirm);
  else
    rows_.apply(plan->on_confirm);
  co_return cluster::CommandResult{.revision = ++revision_, .response = std::move(plan->response)};
}

Task<Result<std::string>> FakeSet::query(cluster::CommandKind kind, std::string payload) {
  const cluster::QueryHandler* handler = registry_.query(kind);
  if (handler == nullptr) co_return fail(ErrorCode::kNotImplemented, "no query of this kind");
  co_await or_return(take_failure(kind));
  auto answer = co_await (*handler)(rows_, payload);
  co_await wait_for_answer(kind);
  co_return answer;
}

Task<Result<void>> FakeSet::with_rows(std::function<Task<Result<void>>(cluster::RowView&)> read) {
  if (remote_) co_return fail(ErrorCode::kNotLeader, "the leader is elsewhere");
  co_return co_await read(rows_);
}

std::optional<cluster::RowsMark> FakeSet::mark(std::string_view name) {
  if (remote_) return std::nullopt;
  const auto writes = rows_.marks().look(name.substr(1));
  if (!writes) return std::nullopt;
  return cluster::RowsMark{.era = 0, .slot = 0, .writes = *writes};
}

class FakeStage final : public cluster::StageApi {
 public:
  FakeStage(FakeSet& set, DataRef data) : set_(set), data_(data) { ++set_.staged_; }
  ~FakeStage() override {
    if (open_) --set_.staged_;
  }
  Task<Result<void>> write(BufferChain bytes) override {
    if (set_.stage_failure_) co_return fail(*set_.stage_failure_, "as the test wants");
    for (const Buffer& each : bytes.slices()) bytes_.append(each.view());
    co_return {};
  }
  Task<Result<DataRef>> finish() override {
    close();
    if (set_.stage_failure_) co_return fail(*set_.stage_failure_, "as the test wants");
    data_.length = bytes_.size();
    set_.data_[data_.id] = std::move(bytes_);
    co_return data_;
  }
  Task<void> abort() override {
    close();
    co_return;
  }

 private:
  void close() {
    if (std::exchange(open_, false)) --set_.staged_;
  }
  FakeSet& set_;
  DataRef data_;
  std::string bytes_;
  bool open_ = true;
};

Task<Result<std::unique_ptr<cluster::StageApi>>> FakeSet::stage(DataId id, Geometry geometry, std::uint64_t) {
  const DataRef data{
      .id = id, .set = info_.index, .geometry = geometry, .place = DataPlace::kFile, .length = 0};
  co_return std::make_unique<FakeStage>(*this, data);
}

Task<Result<BufferChain>> FakeSet::read(DataRef data, std::uint64_t offset, std::uint64_t length) {
  ++reads_;
  if (read_failure_) co_return fail(*read_failure_, "as the test wants");
  const auto at = data_.find(data.id);
  if (at == data_.end() || data.set != info_.index) co_return fail(ErrorCode::kNotFound, "no such data");
  if (length > cluster::kMaxReadBytes || offset + length > at->second.size())
    co_return fail(ErrorCode::kInvalidArgument, "a read past what may be read");
  co_return BufferChain(Buffer::copy_of(std::string_view(at->second).substr(offset, length)));
}

std::unique_ptr<cluster::DataPin> FakeSet::pin(const DataRef& data) {
  return std::make_unique<Pin>(*this, data.id);
}

std::size_t FakeSet::free_due(WallTime now) {
  std::size_t freed = 0;
  std::vector<RowChange> done;
  for (const auto& [key, value] : rows_.rows(Family::kDue)) {
    const auto due = cluster::decode_due(value);
    if (key >= cluster::due_bound(now) || !due || due->kind != cluster::DueKind::kFreeData) continue;
    if (pins_.contains(due->data.id)) continue;
    freed += data_.erase(due->data.id);
    done.push_back({Family::kDue, key, std::nullopt});
  }
  rows_.apply(done);
  return freed;
}

FakeCluster::FakeCluster(const cluster::CommandRegistry& registry, std::uint32_t sets, std::uint32_t drives) {
  for (std::uint32_t i = 0; i < sets; ++i) {
    const auto parity = static_cast<std::uint8_t>(drives / 2);
    sets_.push_back(std::make_unique<FakeSet>(
        registry,
        cluster::SetInfo{.index = i, .drives = drives, .default_parity = parity, .reduced_parity = 1}));
  }
}

cluster::SetApi& FakeCluster::set_for(const Uuid& bucket_id, std::string_view key) {
  const std::size_t hash = std::hash<std::string_view>()(key) ^ std::hash<Uuid>()(bucket_id);
  return *sets_[hash % sets_.size()];
}

void FakeCluster::set_remote(bool remote) {
  for (auto& set : sets_) set->set_remote(remote);
}

void FakeCluster::set_lazy_confirm(bool lazy) {
  for (auto& set : sets_) set->set_lazy_confirm(lazy);
}

}  // namespace flashstor::testing
