#include "engine/storage/commit_log/segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/base/log.h"

namespace flashstor::storage {
namespace {

constexpr std::string_view kSuffix = ".seg";
constexpr std::string_view kSpare = "spare-";
constexpr std::size_t kZeroBytes = limits::kMiB;  // one write while zeroing
constexpr std::size_t kMaxOpenSegments = 256;

std::optional<std::uint32_t> number_in(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Segments::Segments(FileIo& io, Options options)
    : io_(io), options_(std::move(options)), salts_(options_.salt_seed) {}

std::string Segments::path_of(std::uint32_t number) const {
  return fmt::format("{}/{:08x}{}", options_.directory, number, kSuffix);
}
std::string Segments::spare_path(std::uint32_t number) const {
  return fmt::format("{}/{}{:08x}", options_.directory, kSpare, number);
}

Result<void> Segments::open(const std::vector<std::uint32_t>& live, std::uint32_t next) {
  return list(live, next, true);
}
Result<void> Segments::look(const std::vector<std::uint32_t>& live, std::uint32_t next) {
  return list(live, next, false);
}

Result<void> Segments::take_in(const std::string& name, const std::vector<std::uint32_t>& live,
                               std::uint32_t next, bool clean) {
  const std::string path = options_.directory + "/" + name;
  if (name.starts_with(kSpare)) {
    const auto number = number_in(std::string_view(name).substr(kSpare.size()));
    auto file = io_.open(path, OpenMode::kRead, false);
    const auto size = file ? (*file)->size() : Result<std::uint64_t>(0);
    if (number && size && (*size == options_.segment_bytes || !clean)) {
      spares_.push_back(path);
      next_spare_ = std::max(next_spare_, *number + 1);
      return {};
    }
    return clean ? io_.remove(path) : Result<void>{};
  }
  if (!name.ends_with(kSuffix)) return {};
  const auto number = number_in(std::string_view(name).substr(0, name.size() - kSuffix.size()));
  if (!number) return {};
  if (*number < next && !std::ranges::binary_search(live, *number))
    return clean ? io_.remove(path) : Result<void>{};
  segments_.emplace(*number, nullptr);
  next_ = std::max(next_, *number + 1);
  return {};
}

Result<void> Segments::list(const std::vector<std::uint32_t>& live, std::uint32_t next, bool clean) {
  auto names = io_.list(options_.directory);
  if (!names) return std::unexpected(names.error());
  const std::lock_guard lock(mutex_);
  next_ = std::max(next, 1U);
  for (const std::string& name : *names)
    if (auto taken = take_in(name, live, next, clean); !taken) return taken;
  for (const std::uint32_t number : live)
    if (!segments_.contains(number))
      return fail(ErrorCode::kCorrupt, path_of(number) + " is missing: the log has a hole");
  for (std::uint32_t number = next; number < next_; ++number)
    if (!segments_.contains(number))
      return fail(ErrorCode::kCorrupt, path_of(number) + " is missing: the log has a hole");
  return {};
}

std::vector<std::uint32_t> Segments::numbers() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint32_t> all;
  for (const auto& [number, segment] : segments_) all.push_back(number);
  return all;
}

std::uint32_t Segments::next_number() const {
  const std::lock_guard lock(mutex_);
  return next_;
}

std::shared_ptr<const Segment> Segments::find_open(std::uint32_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(number);
  return found == segments_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<const Segment>> Segments::find(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(number);
  if (found == segments_.end()) return fail(ErrorCode::kNotFound, path_of(number) + " is not in the log");
  if (found->second != nullptr) return found->second;
  auto file = io_.open(path_of(number), OpenMode::kRead, false);
  if (!file) return std::unexpected(file.error());
  std::string block(limits::kLogBlockBytes, '\0');
  auto got = (*file)->read(std::as_writable_bytes(std::span(block)), 0);
  if (!got) return std::unexpected(got.error());
  auto header = decode_segment_header(std::string_view(block).substr(0, *got));
  if (!header) return std::unexpected(header.error().wrap(ErrorCode::kCorrupt, path_of(number)));
  if (header->drive_id != options_.drive_id)
    return fail(ErrorCode::kDriveForeign,
                path_of(number) + " belongs to drive " + header->drive_id.to_text());
  if (header->number != number)
    return fail(ErrorCode::kCorrupt, path_of(number) + " holds another segment's header");
  auto segment = std::make_shared<Segment>();
  segment->header = *header;
  segment->file = std::move(*file);
  found->second = segment;
  std::size_t open = 0;
  for (const auto& [other, kept] : segments_) open += kept != nullptr ? 1U : 0U;
  for (auto& [other, kept] : segments_) {
    if (open <= kMaxOpenSegments) break;
    if (kept == nullptr || other == number || kept.use_count() > 1) continue;
    kept = nullptr;
    --open;
  }
  return segment;
}

Result<void> Segments::make_spare(const std::string& path, bool zeroed) {
  auto file = io_.open(path, OpenMode::kCreate, false);
  if (!file) return std::unexpected(file.error());
  const auto undo = [&](const Error& error) -> Result<void> {
    (void)io_.remove(path);
    return std::unexpected(error);
  };
  if (auto done = (*file)->preallocate(options_.segment_bytes); !done) return undo(done.error());
  if (zeroed) {
    // Written once, so that the writer's syncs later carry data alone and no change of the file's map.
    auto direct = io_.open(path, OpenMode::kReadWrite, true);
    File& target = direct ? **direct : **file;
    Buffer zeros = Buffer::allocate(kZeroBytes);
    std::ranges::fill(zeros.writable_span(), std::byte{0});
    for (std::uint64_t at = 0; at < options_.segment_bytes; at += kZeroBytes) {
      const std::size_t size = std::min<std::uint64_t>(kZeroBytes, options_.segment_bytes - at);
      if (auto done = target.write(zeros.span().first(size), at); !done) return undo(done.error());
    }
  }
  if (auto done = (*file)->sync(); !done) return undo(done.error());
  return {};
}

Result<void> Segments::refill(std::size_t count) {
  while (true) {
    std::string path;
    {
      const std::lock_guard lock(mutex_);
      if (spares_.size() >= count) return {};
      path = spare_path(next_spare_++);
    }
    if (auto made = make_spare(path, true); !made) return made;
    if (auto synced = io_.sync_directory(options_.directory); !synced) return synced;
    const std::lock_guard lock(mutex_);
    spares_.push_back(path);
  }
}

std::size_t Segments::spares() const {
  const std::lock_guard lock(mutex_);
  return spares_.size();
}

Result<std::string> Segments::take_spare() {
  std::string path;
  {
    const std::lock_guard lock(mutex_);
    if (!spares_.empty()) {
      path = std::move(spares_.back());
      spares_.pop_back();
      return path;
    }
    path = spare_path(next_spare_++);
  }
  if (auto made = make_spare(path, false); !made) return std::unexpected(made.error());
  return path;
}

Result<std::shared_ptr<const Segment>> Segments::create(std::uint64_t first_sequence) {
  auto spare = take_spare();
  if (!spare) return std::unexpected(spare.error());
  auto segment = std::make_shared<Segment>();
  {
    const std::lock_guard lock(mutex_);
    segment->header = {.number = next_,
                       .bytes = static_cast<std::uint32_t>(options_.segment_bytes),
                       .salt = salts_.next(),
                       .first_sequence = first_sequence,
                       .drive_id = options_.drive_id};
  }
  const std::uint32_t number = segment->header.number;
  base::log_debug("{}: segment {} begins", options_.directory, number);
  // Header first, name second: a named segment always has its header.
  auto file = io_.open(*spare, OpenMode::kReadWrite, false);
  if (!file) return std::unexpected(file.error());
  const std::string block = encode_segment_header(segment->header);
  if (auto done = (*file)->write(std::as_bytes(std::span(block)), 0); !done)
    return std::unexpected(done.error());
  if (auto done = (*file)->sync(); !done) return std::unexpected(done.error());
  if (auto done = io_.rename(*spare, path_of(number)); !done) return std::unexpected(done.error());
  if (auto done = io_.sync_directory(options_.directory); !done) return std::unexpected(done.error());
  auto reader = io_.open(path_of(number), OpenMode::kRead, false);
  if (!reader) return std::unexpected(reader.error());
  segment->file = std::move(*reader);
  const std::lock_guard lock(mutex_);
  segments_[number] = segment;
  next_ = number + 1;
  base::log_debug("{}: segment {} is ready", options_.directory, number);
  return segment;
}

Result<Segments::Writable> Segments::open_to_write(std::uint32_t number) {
  auto direct = io_.open(path_of(number), OpenMode::kReadWrite, true);
  if (direct) return Writable{std::move(*direct), true};
  if (direct.error().code() != ErrorCode::kNotSupported) return std::unexpected(direct.error());
  auto buffered = io_.open(path_of(number), OpenMode::kReadWrite, false);
  if (!buffered) return std::unexpected(buffered.error());
  return Writable{std::move(*buffered), false};
}

Result<bool> Segments::release(std::uint32_t number) {
  std::string spare;
  {
    const std::lock_guard lock(mutex_);
    const auto found = segments_.find(number);
    if (found == segments_.end()) return true;
    if (found->second != nullptr && found->second.use_count() > 1) return false;
    segments_.erase(found);
    if (spares_.size() < limits::kReservedSegments) spare = spare_path(next_spare_++);
  }
  if (spare.empty()) {
    if (auto removed = io_.remove(path_of(number)); !removed) return std::unexpected(removed.error());
    return true;
  }
  if (auto renamed = io_.rename(path_of(number), spare); !renamed) return std::unexpected(renamed.error());
  const std::lock_guard lock(mutex_);
  spares_.push_back(std::move(spare));
  return true;
}

std::uint64_t Segments::bytes() const {
  const std::lock_guard lock(mutex_);
  return (segments_.size() + spares_.size()) * options_.segment_bytes;
}

}  // namespace flashstor::storage
