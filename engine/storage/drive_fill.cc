#include "engine/storage/drive_fill.h"

namespace flashstor::storage {
namespace {

constexpr std::chrono::milliseconds kRest{20};

Result<void> write_flushed(const std::string& path, const OpenRows& open_rows,
                           const std::vector<RowChange>& changes) {
  auto rows = open_rows(path + "/rows");
  if (!rows) return std::unexpected(rows.error());
  if (auto written = (*rows)->write(changes, true); !written) return written;
  return (*rows)->flush();
}

Result<void> empty_directory(FileIo& io, const std::string& path) {
  auto names = io.list(path);
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names)
    if (auto removed = io.remove(path + "/" + name); !removed) return removed;
  return io.sync_directory(path);
}

}  // namespace

void FillProgress::rest() {
  if (!hurry || !hurry()) return;
  std::unique_lock lock(mutex_);
  never_.wait_for(lock, kRest, [this] { return stop.load(); });
}

Result<AppliedState> applied_in(RowStore& source) {
  auto local = load_local_state(source);
  if (!local) return std::unexpected(local.error());
  return local->applied;
}

Result<void> begin_filled_log(FileIo& io, const std::string& path, const OpenRows& open_rows,
                              const FillBase& base) {
  if (auto removed = io.remove(path + "/.flashstor/opened");
      !removed && removed.error().code() != ErrorCode::kNotFound)
    return removed;
  if (auto emptied = empty_directory(io, path + "/log"); !emptied) return emptied;
  const std::uint64_t first = base.entries.empty() ? base.applied.index + 1 : base.entries.front().index;
  CheckpointState checkpoint;
  checkpoint.first_index = first;
  checkpoint.previous_term = base.previous_term;
  checkpoint.hard_state = {.term = base.applied.term, .vote = 0};  // a new member has not voted yet
  checkpoint.configuration = base.configuration;
  return write_flushed(path, open_rows,
                       {applied_row({.index = first - 1, .term = base.previous_term, .oldest_undecided = 0}),
                        checkpoint_row(checkpoint)});
}

Result<void> end_fill(FileIo& io, const std::string& path, const OpenRows& open_rows, const FillBase& base) {
  if (auto written = write_flushed(path, open_rows, {applied_row(base.applied)}); !written) return written;
  return unmark_filling(io, path);
}

Result<void> discard_index(FileIo& io, const std::string& path, const DriveFormat& format) {
  // The mark first: from then on nobody takes the drive for one that knows anything.
  if (auto marked = mark_filling(io, path); !marked) return marked;
  if (auto written = rewrite_format(io, path, format); !written) return written;
  if (auto removed = io.remove_tree(path + "/rows"); !removed) return removed;
  return empty_directory(io, path + "/log");
}

}  // namespace flashstor::storage
