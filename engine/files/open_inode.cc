#include "engine/files/open_inode.h"

#include <algorithm>

namespace flashstor::files {

bool OpenInode::grows() const {
  return size > std::min(row.header.size, shrink_to.value_or(row.header.size));
}

void OpenInode::committed(objects::VersionRow now, bool keeps_size) {
  row = std::move(now);
  outdated = false;
  pins.hold(row.slices);
  slices = row.slices;
  settle_doubts();
  std::uint64_t end = row.header.size;
  if (shrink_to) {
    end = std::min(end, *shrink_to);
    resize(slices, std::min(*shrink_to, bytes_of(slices)));
  }
  if (appended) move_append(std::max(end, appended->least), appended->end);
  if (appended && end >= appended->least) appended->least = 0;
  if (keeps_size) end = std::max(end, size);
  end = std::max({end, dirty.end(), publishing.end()});
  if (streaming) end = std::max(end, streaming->at + streaming->bytes);
  if (parked) end = std::max(end, parked->at + parked->data.length);
  size = end;
}

void OpenInode::note_append(std::uint64_t length) {
  if (!appended)
    appended = {.from = size, .end = size + length, .least = grows() ? size : 0};
  else if (appended->end == size)
    appended->end += length;
}

void OpenInode::take_append(std::uint64_t end) {
  if (!appended || end <= appended->from) return;
  *appended = {.from = std::min(end, appended->end), .end = appended->end, .least = 0};
  if (appended->from == appended->end) appended.reset();
}

std::uint64_t OpenInode::most_at_once(std::uint64_t most) const {
  if (!appended) return most;
  std::uint64_t before = 0;
  for (const WriteBuffer::Run& run : dirty.find(0, appended->from)) before += run.bytes.size();
  return before != 0 && before + (appended->end - appended->from) > most ? std::min(most, before) : most;
}

void OpenInode::cut_append(std::uint64_t cut) {
  if (!appended) return;
  appended->end = std::min(appended->end, cut);
  if (appended->end <= appended->from) appended.reset();
}

// What is appended, up to `end`, goes to `to`.
void OpenInode::move_append(std::uint64_t to, std::uint64_t end) {
  const std::uint64_t from = appended->from;
  const std::uint64_t length = end - from;
  if (parked && appends(parked->at) && parked->at < end) parked->at = to + (parked->at - from);
  if (to != from) {
    auto runs = dirty.find(from, length);
    dirty.erase(from, length);
    for (WriteBuffer::Run& run : runs) dirty.write(to + (run.offset - from), std::move(run.bytes));
  }
  if (end < appended->end) {
    appended->from = end;
    return;
  }
  if (size == appended->end) size = to + length;
  appended->from = to;
  appended->end = to + length;
}

void OpenInode::settle_doubts() {
  for (const Doubt& doubt : doubts) {
    std::optional<std::uint64_t> there;  // where what was appended begins
    // What a cut without new data would have taken away lies behind it, unless somebody wrote over it.
    bool cut_off = doubt.data.is_nil() && !doubt.cut_off.empty();
    bool made = doubt.ctime_ns && row.attributes.posix && row.attributes.posix->ctime_ns == *doubt.ctime_ns;
    std::uint64_t at = 0;
    for (const Slice& slice : row.slices) {
      const bool of_it = !doubt.data.is_nil() && slice.data.id == doubt.data;
      made = made || of_it;
      if (of_it && !there && slice.offset + slice.length > doubt.append_at)
        there = at + doubt.append_at - slice.offset;
      at += slice.length;
      if (at > doubt.shrink_to.value_or(0))
        cut_off = cut_off && std::ranges::none_of(doubt.cut_off, [&slice](const Slice& gone) {
                    return gone.data.id == slice.data.id;
                  });
    }
    if (!made && !cut_off) continue;
    if (shrink_to == doubt.shrink_to) shrink_to.reset();
    if (!appended || !there || doubt.append_end == 0 || appended->from != doubt.append_from) continue;
    // It stays where it is, and what was written over it since goes there.
    const std::uint64_t end = std::min(doubt.append_end, appended->end);
    const bool all = end == appended->end;
    move_append(*there, end);
    if (all) appended.reset();
    if (appended) appended->least = 0;
  }
  doubts.clear();
}

bool OpenInode::is_behind(const objects::VersionRow& now, const std::string& at) const {
  if (at != key) return now.id.time_ns > row.id.time_ns && now.header.etag != row.header.etag;
  if (now.id != row.id) return now.id.time_ns > row.id.time_ns;
  const auto changed = [](const objects::VersionRow& of) {
    return of.attributes.posix ? of.attributes.posix->ctime_ns : 0;
  };
  return changed(now) > changed(row);
}

Error OpenInode::lose(std::uint64_t at, const Error& cause) {
  lost = {lost ? std::min(at, lost->at) : at,
          cause.wrap(cause.code(), "bytes that were written before are lost")};
  return cause;
}

Attributes OpenInode::attributes(const FileDefaults& defaults) const {
  objects::VersionRow seen = row;
  if (!posix.empty()) {
    seen.attributes.posix = posix_of(row, false, defaults);
    apply(posix, *seen.attributes.posix);
  }
  Attributes out = attributes_of(seen, false, defaults);
  if (out.kind == Kind::kFile) {
    out.size = size;
    out.allocated = std::min(size, allocated_bytes(slices) + dirty.bytes() + publishing.bytes() +
                                       (streaming ? streaming->bytes : 0));
  }
  out.merged = merged;
  if (orphan) out.links = 0;
  return out;
}

}  // namespace flashstor::files
