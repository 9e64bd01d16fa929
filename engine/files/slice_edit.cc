#include "engine/files/slice_edit.h"

#include <algorithm>
#include <set>
#include <utility>

namespace flashstor::files {
namespace {

bool is_hole(const Slice& slice) { return slice.data.place == DataPlace::kNone; }

Slice hole(std::uint64_t length) {
  Slice slice;
  slice.length = length;
  return slice;
}

Slice part(const Slice& slice, std::uint64_t from, std::uint64_t length) {
  Slice out = slice;
  out.length = length;
  out.offset = is_hole(slice) ? 0 : slice.offset + from;
  return out;
}

bool continues(const Slice& left, const Slice& right) {
  if (is_hole(left) != is_hole(right)) return false;
  if (is_hole(left)) return true;
  return left.data == right.data && left.referrer == right.referrer &&
         left.offset + left.length == right.offset;
}

void append(std::vector<Slice>& out, const Slice& slice) {
  if (slice.length == 0) return;
  if (!out.empty() && continues(out.back(), slice))
    out.back().length += slice.length;
  else
    out.push_back(slice);
}

using DataKey = std::pair<DataId, Uuid>;
DataKey key_of(const Slice& slice) { return {slice.data.id, slice.referrer}; }

}  // namespace

std::uint64_t bytes_of(const std::vector<Slice>& slices) {
  std::uint64_t total = 0;
  for (const Slice& slice : slices) total += slice.length;
  return total;
}

std::uint64_t allocated_bytes(const std::vector<Slice>& slices) {
  std::uint64_t total = 0;
  for (const Slice& slice : slices)
    if (!is_hole(slice)) total += slice.length;
  return total;
}

void resize(std::vector<Slice>& slices, std::uint64_t size) {
  const std::uint64_t now = bytes_of(slices);
  if (size > now)
    append(slices, hole(size - now));
  else if (size < now)
    slices = cut(slices, 0, size);
}

std::vector<Slice> cut(const std::vector<Slice>& slices, std::uint64_t offset, std::uint64_t length) {
  std::vector<Slice> out;
  const std::uint64_t end = offset + length;
  std::uint64_t at = 0;
  for (const Slice& slice : slices) {
    const std::uint64_t from = std::max(at, offset);
    const std::uint64_t to = std::min(at + slice.length, end);
    if (from < to) append(out, part(slice, from - at, to - from));
    at += slice.length;
    if (at >= end) break;
  }
  return out;
}

void overwrite(std::vector<Slice>& slices, const Placed& piece) {
  const std::uint64_t size = bytes_of(slices);
  const std::uint64_t end = piece.at + piece.slice.length;
  std::vector<Slice> out;
  for (const Slice& slice : cut(slices, 0, std::min(size, piece.at))) append(out, slice);
  if (piece.at > size) append(out, hole(piece.at - size));
  append(out, piece.slice);
  if (end < size)
    for (const Slice& slice : cut(slices, end, size - end)) append(out, slice);
  slices = std::move(out);
}

std::vector<Slice> dropped(const std::vector<Slice>& before, const std::vector<Slice>& after) {
  std::set<DataKey> kept;
  for (const Slice& slice : after)
    if (!is_hole(slice)) kept.insert(key_of(slice));
  std::vector<Slice> out;
  for (const Slice& slice : before)
    if (!is_hole(slice) && kept.insert(key_of(slice)).second) out.push_back(slice);
  return out;
}

Fold best_fold(const std::vector<Slice>& slices, std::uint64_t most_bytes) {
  Fold best;
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  std::size_t first = 0;
  for (std::size_t last = 0; last < slices.size(); ++last) {
    length += slices[last].length;
    while (first <= last && length > most_bytes) {
      start += slices[first].length;
      length -= slices[first].length;
      ++first;
    }
    const std::size_t count = first <= last ? last - first + 1 : 0;
    // Of runs with as many slices the one with fewer bytes costs less.
    if (count > 1 && (count > best.slices || (count == best.slices && length < best.length)))
      best = {start, length, count};
  }
  return best;
}

}  // namespace flashstor::files
