#include "engine/cluster/topology.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "engine/base/limits.h"
#include "engine/cluster/limits.h"

namespace flashstor::cluster {
namespace {

struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::size_t width = 0;
};

Result<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is not a number", text));
  return value;
}

Result<Range> parse_range(std::string_view text) {
  const std::size_t dots = text.find("...");
  if (dots == std::string_view::npos)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{{{}}} is not a range; write it as {{1...4}}", text));
  const std::string_view from = text.substr(0, dots);
  const auto first = number(from);
  if (!first) return std::unexpected(first.error());
  const auto last = number(text.substr(dots + 3));
  if (!last) return std::unexpected(last.error());
  if (*last < *first || *last - *first >= limits::kMaxDrives)
    return fail(ErrorCode::kInvalidArgument, fmt::format("the range {{{}}} is empty or too long", text));
  return Range{.first = *first, .last = *last, .width = from.size()};
}

Result<void> expand(std::string_view argument, const std::string& before, std::vector<std::string>& out) {
  const std::size_t open = argument.find('{');
  if (open == std::string_view::npos) {
    if (argument.find('}') != std::string_view::npos)
      return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" has a }} without a {{", argument));
    if (out.size() >= limits::kMaxDrives) return fail(ErrorCode::kInvalidArgument, "too many drives");
    out.push_back(before + std::string(argument));
    return {};
  }
  const std::size_t close = argument.find('}', open);
  if (close == std::string_view::npos)
    return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\" has a {{ without a }}", argument));
  const auto range = parse_range(argument.substr(open + 1, close - open - 1));
  if (!range) return std::unexpected(range.error());
  for (std::uint64_t value = range->first; value <= range->last; ++value) {
    const std::string start =
        fmt::format("{}{}{:0{}}", before, argument.substr(0, open), value, range->width);
    if (auto done = expand(argument.substr(close + 1), start, out); !done) return done;
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> expand_names(const std::vector<std::string>& arguments) {
  std::vector<std::string> names;
  for (const std::string& argument : arguments)
    if (auto done = expand(argument, {}, names); !done) return std::unexpected(std::move(done).error());
  return names;
}

Result<std::vector<std::string>> expand_drives(const std::vector<std::string>& arguments) {
  std::vector<std::string> drives;
  for (const std::string& argument : arguments) {
    if (argument.find("://") != std::string::npos)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: where one drive is given with its node, all must be", argument));
    if (argument.empty()) return fail(ErrorCode::kInvalidArgument, "a drive without a path");
    if (auto done = expand(argument, {}, drives); !done) return std::unexpected(std::move(done).error());
  }
  if (drives.empty()) return fail(ErrorCode::kInvalidArgument, "no drives were given");
  std::set<std::string> seen;
  for (std::string& drive : drives) {
    while (drive.size() > 1 && drive.back() == '/') drive.pop_back();
    if (!seen.insert(drive).second)
      return fail(ErrorCode::kInvalidArgument, fmt::format("the drive {} is given twice", drive));
  }
  return drives;
}

Result<std::uint32_t> set_size(std::size_t drives) {
  for (std::size_t size = flashstor::limits::kMaxDrivesPerSet; size >= 1; --size) {
    if (size > drives || drives % size != 0) continue;
    if (size == 1 && drives > 1) break;
    return static_cast<std::uint32_t>(size);
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} drives cannot be cut into sets of 2 to {} of equal size; add or leave out one",
                          drives, flashstor::limits::kMaxDrivesPerSet));
}

Result<void> check_parity(std::uint32_t parity, std::uint32_t set_drives) {
  if (parity <= set_drives / 2) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("parity {} is more than a set of {} drives can have: at most half of them, {}",
                          parity, set_drives, set_drives / 2));
}

}  // namespace flashstor::cluster
