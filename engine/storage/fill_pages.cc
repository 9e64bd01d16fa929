#include "engine/storage/fill_pages.h"

#include "engine/base/codec.h"
#include "engine/storage/limits.h"

namespace flashstor::storage {
namespace {

constexpr std::string_view kScratch = "/.flashstor/fill-";
constexpr std::size_t kMaxRows = 1'000'000;

std::string after(std::string key) {
  key.push_back('\0');
  return key;
}

}  // namespace

Result<RowPage> read_page(RowStore& source, Family family, const std::string& from) {
  RowPage page;
  std::size_t bytes = 0;
  const auto rows = source.iterate(family, from, {}, ReadTier::kAny);
  for (; rows->valid() && bytes < kPageBytes; rows->next()) {
    page.rows.emplace_back(rows->key(), rows->value());
    bytes += rows->key().size() + rows->value().size();
  }
  page.more = rows->valid();
  if (auto status = rows->status(); !status) return std::unexpected(status.error());
  return page;
}

Result<std::string> put_page(RowStore& target, Family family, const std::string& from, const RowPage& page,
                             FillProgress& progress) {
  if (progress.stop) return fail(ErrorCode::kCancelled, "the fill was stopped");
  progress.rest();
  const std::string next = page.more ? after(page.rows.back().first) : std::string();
  const auto old = target.iterate(family, from, next, ReadTier::kAny);
  std::vector<RowChange> changes;
  for (const auto& [key, value] : page.rows) {
    for (; old->valid() && old->key() < key; old->next())
      changes.push_back({family, std::string(old->key()), std::nullopt});
    const bool there = old->valid() && old->key() == key;
    if (!there || old->value() != value) changes.push_back({family, key, value});
    if (there) old->next();
  }
  for (; old->valid(); old->next()) changes.push_back({family, std::string(old->key()), std::nullopt});
  if (auto status = old->status(); !status) return std::unexpected(status.error());
  if (!changes.empty())
    if (auto written = target.write(changes, true); !written) return std::unexpected(written.error());
  progress.rows += changes.size();
  return next;
}

Result<std::unique_ptr<RowStore>> begin_fill(const std::string& path, const OpenRows& open_rows,
                                             FillProgress& progress) {
  auto target = open_rows(path + "/rows");
  if (!target) return target;
  for (const Family family : {Family::kLocal, Family::kInline})
    if (auto cleared = put_page(**target, family, {}, {}, progress); !cleared)
      return std::unexpected(cleared.error());
  return target;
}

Result<std::unique_ptr<RowStore>> freeze_rows(RowStore& source, const std::string& scratch,
                                              const OpenRows& open_rows) {
  if (auto flushed = source.flush(); !flushed) return std::unexpected(flushed.error());
  if (auto copied = source.checkpoint(scratch); !copied) return std::unexpected(copied.error());
  return open_rows(scratch);
}

std::string scratch_of(const std::string& path, const Uuid& id) {
  return path + std::string(kScratch) + id.to_text();
}

void sweep_frozen(FileIo& io, const std::string& path) {
  const std::string_view prefix = kScratch.substr(kScratch.rfind('/') + 1);
  const std::string directory = path + std::string(kScratch.substr(0, kScratch.rfind('/')));
  const auto names = io.list(directory);
  if (!names) return;
  for (const std::string& name : *names)
    if (name.starts_with(prefix)) static_cast<void>(io.remove_tree(directory + "/" + name));
}

std::string encode_page(const RowPage& page) {
  ByteWriter out;
  out.boolean(page.more).varint(page.rows.size());
  for (const auto& [key, value] : page.rows) out.bytes(key).bytes(value);
  return out.take();
}

Result<RowPage> decode_page(std::string_view bytes) {
  ByteReader in(bytes);
  RowPage page;
  page.more = in.boolean();
  const std::uint64_t count = in.varint();
  if (count > kMaxRows || (page.more && count == 0)) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    std::string key(in.bytes());
    if (!page.rows.empty() && key <= page.rows.back().first) in.mark_bad();
    page.rows.emplace_back(std::move(key), in.bytes());
  }
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::kMalformed, "a page of rows does not parse");
  return page;
}

std::string encode_fill_base(const FillBase& base) {
  ByteWriter out;
  out.varint(base.applied.index).varint(base.applied.term).varint(base.applied.oldest_undecided);
  out.varint(base.previous_term).bytes(base.configuration).varint(base.entries.size());
  for (const LogEntry& entry : base.entries)
    out.varint(entry.term).varint(entry.index).u8(entry.kind).bytes(entry.payload.view());
  return out.take();
}

Result<FillBase> decode_fill_base(std::string_view bytes) {
  ByteReader in(bytes);
  FillBase base;
  base.applied.index = in.varint();
  base.applied.term = in.varint();
  base.applied.oldest_undecided = in.varint();
  base.previous_term = in.varint();
  base.configuration = in.bytes();
  const std::uint64_t count = in.varint();
  if (count == 0 || count > kMaxRows) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    LogEntry entry;
    entry.term = in.varint();
    entry.index = in.varint();
    entry.kind = in.u8();
    entry.payload = Buffer::copy_of(in.bytes());
    if (!base.entries.empty() && entry.index != base.entries.back().index + 1) in.mark_bad();
    base.entries.push_back(std::move(entry));
  }
  if (in.ok() && base.entries.back().index != base.applied.index) in.mark_bad();
  if (!in.ok() || !in.at_end())
    return fail(ErrorCode::kMalformed, "what a drive is filled from does not parse");
  return base;
}

}  // namespace flashstor::storage
