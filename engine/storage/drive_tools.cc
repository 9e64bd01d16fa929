#include "engine/storage/drive_tools.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>

#include "engine/base/hex.h"
#include "engine/storage/commit_log/replay.h"
#include "engine/storage/drive_format.h"
#include "engine/storage/local_rows.h"
#include "engine/storage/shard_store.h"

namespace flashstor::storage {
namespace {

constexpr std::array<const char*, kFamilies> kFamilyNames = {"local",   "versions", "extents", "inline",
                                                             "uploads", "refs",     "heal",    "due",
                                                             "intents", "inodes",   "results"};
constexpr std::size_t kMaxProblems = 1000;
constexpr std::uint64_t kMaxCountedRows = 1'000'000;
constexpr std::uint32_t kVerifyBlocks = 8;
constexpr std::uint64_t kProgressEvery = 256;

const char* name_of(DriveCondition condition) {
  switch (condition) {
    case DriveCondition::kEmpty:
      return "empty";
    case DriveCondition::kFormatted:
      return "formatted";
    case DriveCondition::kMissing:
      return "missing";
    case DriveCondition::kForeign:
      return "foreign";
    case DriveCondition::kReadOnly:
      return "read-only";
    case DriveCondition::kUnreadable:
      return "unreadable";
  }
  return "unreadable";
}

/// A drive that nobody else uses, opened to look at.
struct Opened {
  std::unique_ptr<File> lock;
  DriveFormat format;
  std::unique_ptr<RowStore> rows;  ///< nullptr before the first start.
  LocalState local;
  std::unique_ptr<Segments> segments;
};

Result<Opened> open_drive(FileIo& io, const std::string& path, const OpenRows& open_rows) {
  DriveInspection found = inspect_drive(io, path);
  if (!found.format)
    return fail(found.condition == DriveCondition::kMissing ? ErrorCode::kNotFound : ErrorCode::kDriveForeign,
                found.words.empty() ? path + " is empty" : found.words);
  Opened opened;
  opened.format = std::move(*found.format);
  auto lock = lock_drive(io, path);
  if (!lock && found.condition != DriveCondition::kReadOnly) return std::unexpected(lock.error());
  if (lock) opened.lock = std::move(*lock);
  auto there = io.exists(path + "/rows");
  if (!there) return std::unexpected(there.error());
  if (*there) {
    auto rows = open_rows(path + "/rows");
    if (!rows) return std::unexpected(rows.error());
    opened.rows = std::move(*rows);
    auto local = load_local_state(*opened.rows);
    if (!local) return std::unexpected(local.error());
    opened.local = std::move(*local);
  }
  opened.segments = std::make_unique<Segments>(
      io, Segments::Options{.directory = path + "/log", .drive_id = opened.format.drive_id});
  return opened;
}

// Pools, sets and drives count from 1, as in the log and in every error.
Json format_json(const DriveFormat& format) {
  Json drives = Json::array();
  for (const Uuid& id : format.set_drives) drives.push(id.to_text());
  return Json::object({{"deployment", format.deployment_id.to_text()},
                       {"drive", format.drive_id.to_text()},
                       {"pool", format.pool + 1},
                       {"set", format.set + 1},
                       {"slot", format.slot + 1},
                       {"set_drives", std::move(drives)}});
}

Json rows_json(RowStore& rows) {
  Json counts = Json::object();
  for (std::size_t i = 0; i < kFamilies; ++i) {
    std::uint64_t count = 0;
    auto at = rows.iterate(static_cast<Family>(i), "", "", ReadTier::kAny);
    for (; at->valid() && count < kMaxCountedRows; at->next()) ++count;
    counts.set(kFamilyNames[i], count);
  }
  return counts;
}

/// A verification under way.
class Verifier {
 public:
  Verifier(FileIo& io, std::string path, Opened opened, const Progress& progress)
      : path_(std::move(path)), opened_(std::move(opened)), shards_(io, path_), progress_(progress) {}

  Result<DriveReport> run() {
    verify_log();
    if (opened_.rows != nullptr) {
      note(opened_.rows->verify());
      if (auto done = verify_inline(); !done) return std::unexpected(done.error());
    }
    if (auto done = verify_files(); !done) return std::unexpected(done.error());
    return std::move(report_);
  }

 private:
  void note(const Result<void>& result) {
    if (result) return;
    ++report_.problem_count;
    if (report_.problems.size() < kMaxProblems) report_.problems.push_back(result.error().describe());
  }
  [[nodiscard]] Result<void> tell() {
    if (++told_ % kProgressEvery == 0 && progress_ && !progress_(report_))
      return fail(ErrorCode::kCancelled, "verification was stopped");
    return {};
  }

  void verify_log() {
    const CheckpointState& checkpoint = opened_.local.checkpoint;
    if (auto listed = opened_.segments->look(checkpoint.segments, checkpoint.next_segment); !listed)
      return note(listed);
    index_.start_at(checkpoint.first_index, checkpoint.previous_term);
    for (const DataPosition& data : checkpoint.unsettled) index_.on_data(data);
    auto replayed = replay_log(
        *opened_.segments, checkpoint.replay_from,
        [this](const BatchPosition& at, std::string_view body) { return feed_index(index_, at, body); });
    if (!replayed) return note(std::unexpected(replayed.error()));
    report_.batches = replayed->batches;
    report_.entries = index_.last() + 1 - index_.first();
    note(check_log_tail(*opened_.segments, *replayed, index_.clean()));
  }

  Result<void> verify_at(const DataPosition& data) {
    auto segment = opened_.segments->find(data.at.segment);
    if (!segment) return std::unexpected(segment.error());
    Buffer bytes = Buffer::allocate(data.at.length);
    auto got = (*segment)->file->read(bytes.writable_span(), data.at.offset);
    if (!got) return std::unexpected(got.error());
    if (*got != bytes.size()) return fail(ErrorCode::kCorrupt, "the log is cut off");
    report_.bytes += bytes.size();
    return verify_blocks(data.ref, data.checksums, 0, bytes.span());
  }

  Result<void> verify_inline() {
    auto row = opened_.rows->iterate(Family::kInline, "", "", ReadTier::kAny);
    for (; row->valid(); row->next()) {
      auto data = decode_data_position(row->value(), Uuid::from_bytes(row->key()));
      note(data ? verify_at(*data) : Result<void>(std::unexpected(data.error())));
      ++report_.inline_shards;
      if (auto told = tell(); !told) return told;
    }
    note(row->status());
    for (const DataPosition& data : index_.all_unsettled()) {
      auto settled = opened_.rows->get(Family::kInline, data.ref.id.to_bytes(), ReadTier::kAny);
      if (!settled || *settled) continue;  // verified above, or reported by the index's own verification
      note(verify_at(data));
    }
    return {};
  }

  Result<void> verify_file(const DataId& id) {
    auto file = shards_.open_unchecked(id);
    if (!file) return std::unexpected(file.error());
    auto footer = read_footer(**file);
    if (!footer) return std::unexpected(footer.error().wrap(footer.error().code(), shards_.shard_path(id)));
    if (footer->data.id != id)
      return fail(ErrorCode::kCorrupt, shards_.shard_path(id) + " holds another slice's shard");
    for (std::uint32_t at = 0; at < block_count_of(footer->data); at += kVerifyBlocks) {
      const ByteRange range = blocks_of(footer->data, at, kVerifyBlocks);
      Buffer bytes = Buffer::allocate(range.end - range.begin);
      auto got = (*file)->read(bytes.writable_span(), range.begin);
      if (!got) return std::unexpected(got.error());
      if (*got != bytes.size()) return fail(ErrorCode::kCorrupt, shards_.shard_path(id) + " is cut off");
      report_.bytes += bytes.size();
      if (auto good = verify_blocks(footer->data, footer->checksums, at, bytes.span()); !good) return good;
    }
    return {};
  }

  Result<void> verify_files() {
    auto files = shards_.published();
    if (!files) return std::unexpected(files.error());
    for (const DataId& id : *files) {
      note(verify_file(id));
      ++report_.shard_files;
      if (auto told = tell(); !told) return told;
    }
    auto staged = shards_.staged();
    if (!staged) return std::unexpected(staged.error());
    report_.staged_files = staged->size();
    return {};
  }

  std::string path_;
  Opened opened_;
  ShardStore shards_;
  const Progress& progress_;
  LogIndex index_;
  DriveReport report_;
  std::uint64_t told_ = 0;
};

Result<void> dump_log(const Opened& opened, const std::function<void(const Json& row)>& give) {
  const CheckpointState& checkpoint = opened.local.checkpoint;
  if (auto listed = opened.segments->look(checkpoint.segments, checkpoint.next_segment); !listed)
    return listed;
  auto replayed = replay_log(*opened.segments, checkpoint.replay_from,
                             [&](const BatchPosition& at, std::string_view body) -> Result<void> {
                               RecordReader reader(body);
                               while (!reader.at_end()) {
                                 auto record = reader.next();
                                 if (!record) return std::unexpected(record.error());
                                 Json row = Json::object({{"segment", at.segment},
                                                          {"offset", at.offset},
                                                          {"batch", at.sequence},
                                                          {"record", static_cast<unsigned>(record->kind)}});
                                 if (record->kind == RecordKind::kEntry)
                                   row.set("index", record->index)
                                       .set("term", record->term)
                                       .set("kind", unsigned{record->entry_kind});
                                 if (!record->id.is_nil()) row.set("data", record->id.to_text());
                                 row.set("bytes", record->payload.size());
                                 give(row);
                               }
                               return {};
                             });
  if (!replayed) return std::unexpected(replayed.error());
  return {};
}

}  // namespace

Json inspect_drive_json(FileIo& io, const std::string& path, const OpenRows& open_rows) {
  const DriveInspection found = inspect_drive(io, path);
  Json out = Json::object({{"path", path}, {"condition", name_of(found.condition)}});
  if (!found.words.empty()) out.set("error", found.words);
  out.set("total_bytes", found.space.total_bytes).set("free_bytes", found.space.free_bytes);
  if (!found.format) return out;
  out.set("format", format_json(*found.format));
  auto opened = open_drive(io, path, open_rows);
  out.set("in_use", !opened && opened.error().code() == ErrorCode::kBusy);
  if (!opened) {
    if (opened.error().code() != ErrorCode::kBusy) out.set("error", opened.error().describe());
    return out;
  }
  const LocalState& local = opened->local;
  std::int64_t live = 0;
  for (const auto& [segment, bytes] : local.live) live += bytes;
  if (auto listed = opened->segments->look({}, 1); listed)
    out.set("log", Json::object({{"segments", opened->segments->numbers().size()},
                                 {"spare_segments", opened->segments->spares()},
                                 {"live_bytes", live}}));
  if (opened->rows == nullptr) return out;
  out.set("index", Json::object({{"applied_index", local.applied.index},
                                 {"applied_term", local.applied.term},
                                 {"oldest_undecided", local.applied.oldest_undecided},
                                 {"term", local.checkpoint.hard_state.term},
                                 {"drive_bytes", opened->rows->usage().drive_bytes},
                                 {"rows", rows_json(*opened->rows)}}));
  return out;
}

Json to_json(const DriveReport& report) {
  Json problems = Json::array();
  for (const std::string& problem : report.problems) problems.push(problem);
  return Json::object({{"good", report.good()},
                       {"batches", report.batches},
                       {"entries", report.entries},
                       {"inline_shards", report.inline_shards},
                       {"shard_files", report.shard_files},
                       {"staged_files", report.staged_files},
                       {"bytes", report.bytes},
                       {"problem_count", report.problem_count},
                       {"problems", std::move(problems)}});
}

Result<DriveReport> verify_drive(FileIo& io, const std::string& path, const OpenRows& open_rows,
                                 const Progress& progress) {
  auto opened = open_drive(io, path, open_rows);
  if (!opened && opened.error().code() == ErrorCode::kCorrupt) {
    DriveReport report;
    report.problem_count = 1;
    report.problems.push_back(opened.error().describe());
    return report;
  }
  if (!opened) return std::unexpected(opened.error());
  return Verifier(io, path, std::move(*opened), progress).run();
}

Result<void> dump_drive(FileIo& io, const std::string& path, const OpenRows& open_rows,
                        const std::string& family, const std::function<void(const Json& row)>& give) {
  auto opened = open_drive(io, path, open_rows);
  if (!opened) return std::unexpected(opened.error());
  if (family == "log") return dump_log(*opened, give);
  for (std::size_t i = 0; i < kFamilies; ++i) {
    if (family != kFamilyNames[i]) continue;
    if (opened->rows == nullptr) return {};
    auto row = opened->rows->iterate(static_cast<Family>(i), "", "", ReadTier::kAny);
    for (; row->valid(); row->next())
      give(Json::object(
          {{"family", family}, {"key", base::to_hex(row->key())}, {"value", base::to_hex(row->value())}}));
    return row->status();
  }
  return fail(ErrorCode::kInvalidArgument, fmt::format("there is no family \"{}\"", family));
}

}  // namespace flashstor::storage
