#include "engine/files/forward.h"

#include <algorithm>

#include "engine/cluster/due.h"
#include "engine/codec/checksum.h"

namespace flashstor::files {
namespace {

Uuid hashed(const std::string& name) {
  const auto hash = codec::xxh3_128(std::as_bytes(std::span(name)));
  return {hash.high, hash.low};
}

Uuid file_id(const Uuid& bucket, const InodeId& inode) {
  return hashed("file" + bucket.to_bytes() + inode.to_bytes());
}

Uuid directory_id(const Uuid& bucket, const std::string& key) {
  return hashed("directory" + bucket.to_bytes() + key);
}

Task<Result<Forward>> read_forward(cluster::RowView& rows, Uuid id) {
  const auto value = co_await or_return(rows.get(Family::kResults, id.to_bytes()));
  if (!value) co_return Forward{};
  co_return decode<Forward>(*value);
}

// What would forget the row that it replaces would forget this one too early. Earlier places stay for as long
// as they would have alone.
void put_forward(cluster::RowView& rows, const Uuid& id, const Forward& before, const std::string& to,
                 bool keep_earlier, cluster::Plan& plan) {
  const auto end = [](std::int64_t since) {
    return base::from_nanoseconds(since) + flashstor::limits::kResultKeep;
  };
  if (!before.to.empty())
    plan.changes.push_back({Family::kDue, cluster::due_key(end(before.at_ns), id), std::nullopt});
  const WallTime now = rows.now();
  Forward forward{base::to_nanoseconds(now), {to}, {base::to_nanoseconds(now)}, keep_earlier && before.cut};
  for (std::size_t i = 0; keep_earlier && i < before.to.size() && i < before.since.size(); ++i) {
    if (before.to[i] == to || end(before.since[i]) < now) continue;
    forward.cut = forward.cut || forward.to.size() == kMaxForwards;
    if (forward.to.size() == kMaxForwards) break;
    forward.to.push_back(before.to[i]);
    forward.since.push_back(before.since[i]);
  }
  cluster::keep_result(plan.changes, id, encode(forward), now);
}

}  // namespace

Task<Result<void>> forward_file(cluster::RowView& rows, const Uuid& bucket, const InodeId& inode,
                                const std::string& to_key, cluster::Plan& plan) {
  const Uuid id = file_id(bucket, inode);
  const Forward before = co_await or_return(read_forward(rows, id));
  put_forward(rows, id, before, to_key, false, plan);
  co_return {};
}

Task<Result<void>> forward_directory(cluster::RowView& rows, const Uuid& bucket, const std::string& from_key,
                                     const std::string& to_key, cluster::Plan& plan) {
  const Uuid id = directory_id(bucket, from_key);
  const Forward before = co_await or_return(read_forward(rows, id));
  put_forward(rows, id, before, to_key, true, plan);
  co_return {};
}

namespace {

Task<Result<ForwardAnswer>> look(cluster::RowView& rows, const Uuid& bucket, const InodeId& inode,
                                 const std::string& key) {
  ForwardAnswer answer;
  const auto live = co_await or_return(find_live(rows, bucket, key));
  answer.found = live && inode_of(live->row) == inode;
  if (answer.found) co_return answer;
  const Forward file = co_await or_return(read_forward(rows, file_id(bucket, inode)));
  answer.to = file.to;
  answer.seen = static_cast<std::uint64_t>(file.at_ns);
  for (std::size_t slash = key.rfind('/'); slash != std::string::npos && slash > 0;
       slash = key.rfind('/', slash - 1)) {
    const std::string directory = key.substr(0, slash + 1);
    const Forward forward = co_await or_return(read_forward(rows, directory_id(bucket, directory)));
    answer.seen = answer.seen * 31 + static_cast<std::uint64_t>(forward.at_ns);
    answer.cut = answer.cut || forward.cut;
    for (const std::string& to : forward.to) answer.to.push_back(to + key.substr(slash + 1));
  }
  co_return answer;
}

}  // namespace

Task<Result<std::string>> chase(cluster::RowView& rows, const Uuid& bucket, const InodeId& inode,
                                std::string key) {
  std::vector<std::string> names{std::move(key)};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const ForwardAnswer answer = co_await or_return(look(rows, bucket, inode, names[i]));
    if (answer.found) co_return names[i];
    for (const std::string& to : answer.to)
      if (names.size() < kMaxFollowed && std::ranges::find(names, to) == names.end()) names.push_back(to);
  }
  co_return std::string();
}

Task<Result<std::string>> query_forward(cluster::RowView& rows, std::string_view payload) {
  const auto in = co_await or_return(decode<FileTarget>(payload));
  co_return encode(co_await or_return(look(rows, in.bucket, in.inode, in.key)));
}

}  // namespace flashstor::files
