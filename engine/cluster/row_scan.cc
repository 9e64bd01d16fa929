#include "engine/cluster/row_scan.h"

#include "engine/cluster/limits.h"

namespace flashstor::cluster {
namespace {

/// A scan on a pool thread. What is the caller's is touched under the mutex, and not once it is abandoned;
/// the thread never waits for the drive under it.
struct ScanJob {
  RowRange range;
  std::mutex mutex;
  bool abandoned = false;  // under mutex
  std::uint64_t seen = 0;  // under mutex
  RowPass pass;
  async::Event done;
};

// Under a job's mutex, or on the caller's own thread. `at`: what the cursor was asked for.
std::optional<RowPass> visit_row(const RowRange& range, std::string_view at,
                                 const storage::RowIterator& cursor, ScanStep& step) {
  if (range.undecided->size() > 0) {
    NameRange names{.upper = lock_name(range.family, cursor.key())};
    names.lower = range.unseen ? lock_name(range.family, at) : names.upper;
    if (range.undecided->covers(names.lower, names.upper))
      return RowPass{.end = RowPass::End::kUndecided, .at = std::string(at), .names = std::move(names)};
  }
  step = (*range.visitor)(cursor.key(), cursor.value());
  if (step.kind == ScanStep::Kind::kStop) return RowPass{};
  return std::nullopt;
}

RowPass scan(const RowRange& range, storage::ReadTier tier, std::size_t most, ScanJob* job) {
  const auto cursor = range.rows->iterate(range.family, range.from, range.upper, tier);
  std::string_view at = range.from;
  std::string moved;
  for (std::size_t seen = 0; cursor->valid(); ++seen) {
    if (seen >= most) return {.end = RowPass::End::kLong, .at = std::string(at)};
    ScanStep step;
    std::optional<RowPass> ended;
    if (job != nullptr) {
      const std::lock_guard lock(job->mutex);
      if (job->abandoned) return {};
      ++job->seen;
      ended = visit_row(range, at, *cursor, step);
    } else {
      ended = visit_row(range, at, *cursor, step);
    }
    if (ended) return std::move(*ended);
    if (step.kind == ScanStep::Kind::kSeek) {
      at = moved = std::move(step.seek_to);
      if (!range.upper.empty() && at >= range.upper) return {};
      cursor->seek(at);
    } else {
      moved.assign(cursor->key()).push_back('\0');
      at = moved;
      cursor->next();
    }
  }
  const auto status = cursor->status();
  if (status && range.unseen) {
    NameRange names{.lower = lock_name(range.family, at)};
    if (!range.upper.empty()) names.upper = lock_name(range.family, range.upper);
    if (range.undecided->covers(names.lower, names.upper))
      return {.end = RowPass::End::kUndecided, .at = std::string(at), .names = std::move(names)};
  }
  if (status) return {};
  if (status.error().code() == ErrorCode::kWouldBlock)
    return {.end = RowPass::End::kWouldBlock, .at = std::string(at)};
  return {.end = RowPass::End::kFailed, .at = std::string(at), .error = status.error()};
}

Task<void> run(std::shared_ptr<ScanJob> job, WorkPool* pool) {
  job->pass = co_await async::offload(
      *pool, [&job] { return scan(job->range, storage::ReadTier::kAny, SIZE_MAX, job.get()); });
  job->done.set();
}

}  // namespace

RowPass scan_rows(const RowRange& range, storage::ReadTier tier, std::size_t most) {
  return scan(range, tier, most, nullptr);
}

Task<RowPass> scan_rows_on(WorkPool& pool, RowRange range) {
  auto job = std::make_shared<ScanJob>();
  job->range = std::move(range);
  async::start_detached(run(job, &pool));
  std::uint64_t before = 0;
  while (!job->done.is_set()) {
    if (co_await job->done.wait_until(Runtime::current()->now() + limits::kScanDeadline)) break;
    const std::lock_guard lock(job->mutex);
    if (job->done.is_set() || job->seen != before) {
      before = job->seen;
      continue;
    }
    job->abandoned = true;
    co_return RowPass{.end = RowPass::End::kFailed,
                      .at = job->range.from,
                      .error = Error(ErrorCode::kTimeout, "the drive did not answer in time")};
  }
  co_return std::move(job->pass);
}

}  // namespace flashstor::cluster
