#include "engine/async/runtime.h"
#include "engine/files/lock_table.h"
#include "engine/files/plan_support.h"

namespace flashstor::files {

Task<Result<std::string>> query_lookup(cluster::RowView& rows, std::string_view payload) {
  const auto in = co_await or_return(decode<LookupPayload>(payload));
  LookupAnswer answer;
  if (!in.key.empty()) {
    if (const auto file = co_await or_return(find_live(rows, in.bucket, in.key)))
      answer.file = objects::encode_version(file->row);
    const std::string directory = in.key + "/";
    if (const auto found = co_await or_return(find_live(rows, in.bucket, directory)))
      answer.directory = objects::encode_version(found->row);
    else
      answer.has_children = co_await or_return(has_children(rows, in.bucket, directory));
  }
  co_return encode(answer);
}

namespace {

// Gathers one page of a directory: each file with its newest row, each subdirectory once.
class DirectoryScan {
 public:
  explicit DirectoryScan(const DirectoryPayload& in) : in_(in) {}

  cluster::ScanStep visit(std::string_view row_key, std::string_view value) {
    using Step = cluster::ScanStep::Kind;
    const auto parsed = objects::parse_version_key(row_key);
    if (!parsed || !parsed->key.starts_with(in_.prefix)) {
      broken = true;
      return {Step::kStop, {}};
    }
    const std::string_view rest = std::string_view(parsed->key).substr(in_.prefix.size());
    const std::string next = objects::after_key(in_.bucket, parsed->key);
    if (parsed->is_mapping || rest.empty()) return {Step::kSeek, next};
    const auto header = objects::decode_version_header(value);
    if (!header) {
      broken = true;
      return {Step::kStop, {}};
    }
    if (header->kind == objects::RowKind::kDeleteMarker) return {Step::kSeek, next};
    if (answer.entries.size() >= in_.limit) {
      answer.end = false;
      return {Step::kStop, {}};
    }
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) {
      add(std::string(rest), *parsed, value);
      return {Step::kSeek, next};
    }
    const std::string name(rest.substr(0, slash + 1));
    if (slash + 1 == rest.size())
      add(name, *parsed, value);
    else
      answer.entries.push_back({name, {}});
    return {Step::kSeek, objects::after_prefix(objects::listing_start(in_.bucket, in_.prefix + name))};
  }
  void restart() {
    answer = {.entries = {}, .end = true};
    broken = false;
  }

  DirectoryAnswer answer{.entries = {}, .end = true};
  bool broken = false;

 private:
  void add(std::string name, const objects::ParsedVersionKey& parsed, std::string_view value) {
    auto row = objects::decode_version(value);
    if (!row) {
      broken = true;
      return;
    }
    row->id = parsed.id;
    answer.entries.push_back({std::move(name), objects::encode_version(*row)});
  }
  const DirectoryPayload& in_;
};

}  // namespace

Task<Result<std::string>> query_directory(cluster::RowView& rows, std::string_view payload) {
  const auto in = co_await or_return(decode<DirectoryPayload>(payload));
  DirectoryScan scan(in);
  const std::string all = objects::listing_start(in.bucket, in.prefix);
  std::string lower = all;
  if (in.after.ends_with('/'))
    lower = objects::after_prefix(objects::listing_start(in.bucket, in.prefix + in.after));
  else if (!in.after.empty())
    lower = objects::after_key(in.bucket, in.prefix + in.after);
  co_await or_return(rows.scan(
      Family::kVersions, std::move(lower), objects::after_prefix(all),
      [&scan](std::string_view key, std::string_view value) { return scan.visit(key, value); },
      [&scan] { scan.restart(); }));
  if (scan.broken) co_return fail(ErrorCode::kCorrupt, "a version row that does not parse");
  co_return encode(scan.answer);
}

Task<Result<std::string>> query_links(cluster::RowView& rows, std::string_view payload) {
  const auto in = co_await or_return(decode<FileTarget>(payload));
  co_return encode(co_await or_return(links_of(rows, in.bucket, in.inode)));
}

namespace {

// Data that a node has streamed and has not published yet (plan_park) bears its own id as its name; whoever
// has parked it is at it still, or died with it a while ago.
bool is_parked_since(const objects::ParsedVersionKey& key, std::string_view value, WallTime since) {
  const auto row = objects::decode_version(value);
  return row && row->slices.size() == 1 && row->slices.front().data.id.to_text() == key.key &&
         key.id.time_ns > base::to_nanoseconds(since);
}

}  // namespace

// What a crash left of this bucket: orphans (their keys), renames and moves of directories and moves to
// another set to go on with (their payloads), and decisions about moves (rename, new name). The key says
// which, by the letters that they begin with; empty: all.
Task<Result<std::string>> query_leftovers(cluster::RowView& rows, std::string_view payload) {
  const auto in = co_await or_return(decode<FileTarget>(payload));
  const auto wanted = [&in](char kind) { return in.key.empty() || in.key.contains(kind); };
  std::vector<std::string> found;
  const std::string lower = objects::bucket_prefix(orphans_of(in.bucket));
  if (wanted('o'))
    co_await or_return(rows.scan(
        Family::kVersions, lower, objects::after_prefix(lower),
        [&, now = rows.now()](std::string_view key, std::string_view value) -> cluster::ScanStep {
          const auto parsed = objects::parse_version_key(key);
          if (parsed && !is_parked_since(*parsed, value, now - kParkedFor))
            found.push_back("o" + parsed->key);
          return {};
        },
        [&] { found.clear(); }));
  const auto gather = [&](std::string_view prefix, auto entry) -> Task<Result<void>> {
    const std::size_t before = found.size();
    const std::string from = std::string(prefix) + in.bucket.to_bytes();
    co_return co_await rows.scan(
        Family::kIntents, from, objects::after_prefix(from),
        [&found, entry, skip = from.size()](std::string_view key, std::string_view value) {
          found.push_back(entry(key.substr(skip), value));
          return cluster::ScanStep{};
        },
        [&found, before] { found.resize(before); });
  };
  const auto whole = [](char kind) {
    return [kind](std::string_view, std::string_view value) { return kind + std::string(value); };
  };
  if (wanted('r')) co_await or_return(gather(kDirectoryRenames, whole('r')));
  if (wanted('v')) co_await or_return(gather(kMoveIntents, whole('v')));
  if (wanted('d')) co_await or_return(gather(kDirectoryMoves, whole('d')));
  if (!wanted('m')) co_return encode(found);
  co_await or_return(gather(kMoveDecisions, [](std::string_view move, std::string_view value) {
    return 'm' + std::string(move) + std::string(value.substr(1));
  }));
  co_return encode(found);
}

Task<Result<std::string>> query_lock(LockTable& table, cluster::RowView& rows, std::string_view payload) {
  const auto in = co_await or_return(decode<LockPayload>(payload));
  co_await or_return(rows.get(Family::kIntents, "lock"));  // whoever can read leads
  const std::uint64_t leadership = rows.leadership();
  if (leadership == 0) co_return fail(ErrorCode::kReadOnly, "locks need a leader of their set");
  co_return encode(table.answer(in, leadership, Runtime::current()->now()));
}

}  // namespace flashstor::files
