#include "engine/files/write_buffer.h"

#include <algorithm>

namespace flashstor::files {

void WriteBuffer::write(std::uint64_t offset, BufferChain bytes) {
  if (bytes.empty()) return;
  erase(offset, bytes.size());
  bytes_ += bytes.size();
  pieces_.emplace(offset, std::move(bytes));
}

void WriteBuffer::truncate(std::uint64_t size) {
  if (const std::uint64_t last = end(); last > size) erase(size, last - size);
}

void WriteBuffer::erase(std::uint64_t offset, std::uint64_t length) {
  if (length == 0 || pieces_.empty()) return;
  const std::uint64_t stop = offset + length;
  auto at = pieces_.upper_bound(offset);
  if (at != pieces_.begin()) --at;
  while (at != pieces_.end() && at->first < stop) {
    const std::uint64_t from = at->first;
    const std::uint64_t to = from + at->second.size();
    if (to <= offset) {
      ++at;
      continue;
    }
    const BufferChain old = std::move(at->second);
    at = pieces_.erase(at);
    bytes_ -= old.size();
    if (from < offset) {
      pieces_.emplace(from, old.sub(0, offset - from));
      bytes_ += offset - from;
    }
    if (to > stop) {
      at = pieces_.emplace(stop, old.sub(stop - from, to - stop)).first;
      bytes_ += to - stop;
      break;
    }
  }
}

void WriteBuffer::clear() {
  pieces_.clear();
  bytes_ = 0;
}

std::uint64_t WriteBuffer::end() const {
  return pieces_.empty() ? 0 : pieces_.rbegin()->first + pieces_.rbegin()->second.size();
}

std::vector<WriteBuffer::Run> WriteBuffer::find(std::uint64_t offset, std::uint64_t length) const {
  std::vector<Run> runs;
  const std::uint64_t stop = offset + length;
  auto at = pieces_.upper_bound(offset);
  if (at != pieces_.begin()) --at;
  for (; at != pieces_.end() && at->first < stop; ++at) {
    const std::uint64_t from = std::max(at->first, offset);
    const std::uint64_t to = std::min(at->first + at->second.size(), stop);
    if (from >= to) continue;
    BufferChain bytes = at->second.sub(from - at->first, to - from);
    if (!runs.empty() && runs.back().offset + runs.back().bytes.size() == from)
      runs.back().bytes.append(std::move(bytes));
    else
      runs.push_back({from, std::move(bytes)});
  }
  return runs;
}

std::vector<WriteBuffer::Run> WriteBuffer::take(std::uint64_t most_bytes) {
  std::vector<Run> runs;
  while (!pieces_.empty() && most_bytes > 0) {
    const auto first = pieces_.begin();
    const std::uint64_t offset = first->first;
    const std::uint64_t length = std::min<std::uint64_t>(first->second.size(), most_bytes);
    BufferChain bytes = first->second.sub(0, length);
    erase(offset, length);
    most_bytes -= length;
    if (!runs.empty() && runs.back().offset + runs.back().bytes.size() == offset)
      runs.back().bytes.append(std::move(bytes));
    else
      runs.push_back({offset, std::move(bytes)});
  }
  return runs;
}

std::uint64_t WriteBuffer::first_run_bytes() const {
  std::uint64_t length = 0;
  std::uint64_t next = 0;
  for (const auto& [offset, bytes] : pieces_) {
    if (length > 0 && offset != next) break;
    length += bytes.size();
    next = offset + bytes.size();
  }
  return length;
}

}  // namespace flashstor::files
