#include "engine/cluster/fill_sessions.h"

#include <algorithm>

#include "engine/cluster/limits.h"

namespace flashstor::cluster {
namespace {

class UnderWay {
 public:
  explicit UnderWay(std::size_t& count) : count_(count) { ++count_; }
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;
  ~UnderWay() { --count_; }

 private:
  std::size_t& count_;
};

}  // namespace

WorkPool& FillSessions::pool() {
  if (thread_ == nullptr) thread_ = make_pool_("drive-fill");
  return *thread_;
}

Task<Result<FillSessions::Opened>> FillSessions::open(storage::RowStore& rows, std::string path) {
  const UnderWay working(under_way_);
  if (sessions_.size() >= limits::kMaxFillSessions)
    co_return fail(ErrorCode::kBusy, "other drives are filled from here");
  const Uuid id = Uuid::make(home_.random());
  auto session = std::make_unique<Session>();
  session->scratch = storage::scratch_of(path, id);
  session->used = home_.now();
  Session& mine = *session;
  mine.busy = 1;
  std::uint64_t bytes = 0;
  sessions_.emplace(id, std::move(session));
  Result<storage::AppliedState> applied = co_await async::offload(pool(), [&] {
    auto frozen = storage::freeze_rows(rows, mine.scratch, open_rows_);
    if (!frozen) return Result<storage::AppliedState>(std::unexpected(frozen.error()));
    mine.rows = std::move(*frozen);
    bytes = mine.rows->usage().drive_bytes;
    return storage::applied_in(*mine.rows);
  });
  mine.busy = 0;
  if (!applied) {
    co_await close(id);
    co_return std::unexpected(std::move(applied).error());
  }
  co_return Opened{.id = id, .applied = *applied, .bytes = bytes};
}

Task<Result<storage::RowPage>> FillSessions::read(Uuid id, Family family, std::string from) {
  const UnderWay working(under_way_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second->rows == nullptr)
    co_return fail(ErrorCode::kNotFound, "the fill was ended");
  Session& session = *found->second;
  session.used = home_.now();
  ++session.busy;
  auto page =
      co_await async::offload(pool(), [&] { return storage::read_page(*session.rows, family, from); });
  --session.busy;
  co_return page;
}

Task<void> FillSessions::close(Uuid id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second->busy > 0) co_return;
  std::unique_ptr<Session> session = std::move(found->second);
  sessions_.erase(found);
  co_await end(std::move(session));
}

Task<void> FillSessions::end(std::unique_ptr<Session> session) {
  const UnderWay working(under_way_);
  co_await async::offload(pool(), [&] {
    session->rows.reset();
    static_cast<void>(io_.remove_tree(session->scratch));
  });
}

Task<void> FillSessions::sweep() {
  const MonotonicTime before = home_.now() - limits::kFillIdle;
  while (true) {
    const auto old = std::ranges::find_if(sessions_, [before](const auto& item) {
      return item.second->busy == 0 && item.second->used < before;
    });
    if (old == sessions_.end()) co_return;
    co_await close(old->first);
  }
}

Task<bool> FillSessions::stop() {
  const MonotonicTime deadline = home_.now() + limits::kKeeperStop;
  while (under_way_ > 0 && home_.now() < deadline) co_await async::sleep_for(home_, Milliseconds(1));
  if (under_way_ > 0) {
    static_cast<void>(thread_.release());
    for (auto& [id, session] : sessions_) static_cast<void>(session.release());
    co_return false;
  }
  while (!sessions_.empty()) co_await close(sessions_.begin()->first);
  co_return true;
}

}  // namespace flashstor::cluster
