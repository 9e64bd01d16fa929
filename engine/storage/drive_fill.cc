#include "engine/storage/drive_fill.h"

#include <utility>

namespace flashstor::storage {
namespace {

constexpr std::size_t kRowsAtOnce = 512;
constexpr std::chrono::milliseconds kRest{20};

/// Writes row changes in groups.
class RowWriter {
 public:
  RowWriter(RowStore& target, FillProgress& progress) : target_(target), progress_(progress) {}
  Result<void> add(RowChange change) {
    changes_.push_back(std::move(change));
    return changes_.size() >= kRowsAtOnce ? write() : Result<void>{};
  }
  Result<void> write() {
    if (progress_.stop) return fail(ErrorCode::kCancelled, "the fill was stopped");
    progress_.rest();
    if (changes_.empty()) return {};
    progress_.rows += changes_.size();
    auto written = target_.write(changes_, true);
    changes_.clear();
    return written;
  }

 private:
  RowStore& target_;
  FillProgress& progress_;
  std::vector<RowChange> changes_;
};

// Both cursors go through the family in step.
Result<void> copy_family(RowStore& source, RowStore& target, Family family, FillProgress& progress) {
  const auto from = source.iterate(family, {}, {}, ReadTier::kAny);
  const auto old = target.iterate(family, {}, {}, ReadTier::kAny);
  RowWriter writer(target, progress);
  std::size_t same = 0;
  while (from->valid() || old->valid()) {
    Result<void> written;
    if (!from->valid() || (old->valid() && old->key() < from->key())) {
      written = writer.add({family, std::string(old->key()), std::nullopt});
      old->next();
    } else if (!old->valid() || from->key() < old->key()) {
      written = writer.add({family, std::string(from->key()), std::string(from->value())});
      from->next();
    } else {
      if (from->value() != old->value()) {
        written = writer.add({family, std::string(from->key()), std::string(from->value())});
      } else if (++same % kRowsAtOnce == 0) {
        written = writer.write();
      }
      from->next();
      old->next();
    }
    if (!written) return written;
  }
  if (auto status = from->status(); !status) return status;
  if (auto status = old->status(); !status) return status;
  return writer.write();
}

Result<void> clear_family(RowStore& target, Family family, FillProgress& progress) {
  const auto old = target.iterate(family, {}, {}, ReadTier::kAny);
  RowWriter writer(target, progress);
  for (; old->valid(); old->next())
    if (auto done = writer.add({family, std::string(old->key()), std::nullopt}); !done) return done;
  if (auto status = old->status(); !status) return status;
  return writer.write();
}

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

Result<void> copy_rows(RowStore& source, RowStore& target, FillProgress& progress) {
  for (std::size_t number = 0; number < kFamilies; ++number) {
    const auto family = static_cast<Family>(number);
    if (is_local(family)) continue;
    if (auto copied = copy_family(source, target, family, progress); !copied) return copied;
  }
  return {};
}

Result<AppliedState> applied_in(RowStore& source) {
  auto local = load_local_state(source);
  if (!local) return std::unexpected(local.error());
  return local->applied;
}

Result<AppliedState> fill_rows(FileIo& io, RowStore& source, const std::string& scratch,
                               const std::string& path, const OpenRows& open_rows, FillProgress& progress) {
  const auto fill = [&]() -> Result<AppliedState> {
    if (auto flushed = source.flush(); !flushed) return std::unexpected(flushed.error());
    if (auto copied = source.checkpoint(scratch); !copied) return std::unexpected(copied.error());
    auto frozen = open_rows(scratch);
    if (!frozen) return std::unexpected(frozen.error());
    auto target = open_rows(path + "/rows");
    if (!target) return std::unexpected(target.error());
    // The mark of how far its rows are applied goes first: until the end they are of no time.
    for (const Family family : {Family::kLocal, Family::kInline})
      if (auto cleared = clear_family(**target, family, progress); !cleared)
        return std::unexpected(cleared.error());
    if (auto copied = copy_rows(**frozen, **target, progress); !copied)
      return std::unexpected(copied.error());
    if (auto flushed = (*target)->flush(); !flushed) return std::unexpected(flushed.error());
    return applied_in(**frozen);
  };
  auto applied = fill();
  if (auto removed = io.remove_tree(scratch); !removed && applied) return std::unexpected(removed.error());
  return applied;
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
