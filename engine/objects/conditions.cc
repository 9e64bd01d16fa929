#include <algorithm>

#include "engine/objects/rows.h"

namespace flashstor::objects {
namespace {

bool names(const std::vector<std::string>& etags, const std::string& etag) {
  return std::ranges::any_of(etags, [&](const std::string& each) { return each == "*" || each == etag; });
}

std::int64_t seconds_of(std::int64_t nanoseconds) { return nanoseconds / 1'000'000'000; }
std::int64_t seconds_of(WallTime time) { return seconds_of(base::to_nanoseconds(time)); }

std::unexpected<Error> failed() {
  return fail(ErrorCode::kPreconditionFailed,
              "At least one of the pre-conditions you specified did not hold");
}

}  // namespace

Result<void> check_write_conditions(const Conditions& conditions,
                                    const std::optional<VersionHeader>& existing) {
  if (conditions.empty()) return {};
  const bool exists = existing && existing->kind != RowKind::kDeleteMarker;
  const bool needs_one =
      !conditions.if_match.empty() || conditions.if_match_size || conditions.if_match_modified;
  if (needs_one && !exists) return fail(ErrorCode::kNoSuchKey, "The specified key does not exist.");
  if (!conditions.if_match.empty() && !names(conditions.if_match, existing->etag)) return failed();
  if (exists && names(conditions.if_none_match, existing->etag)) return failed();
  if (conditions.if_match_size && *conditions.if_match_size != existing->size) return failed();
  if (conditions.if_match_modified &&
      seconds_of(*conditions.if_match_modified) != seconds_of(existing->created_ns))
    return failed();
  if (exists && conditions.if_unmodified_since &&
      seconds_of(existing->created_ns) > seconds_of(*conditions.if_unmodified_since))
    return failed();
  return {};
}

// RFC 9110, 13.2.2: If-Match goes before If-Unmodified-Since, If-None-Match before If-Modified-Since.
Result<void> check_read_conditions(const Conditions& conditions, const VersionHeader& existing) {
  if (!conditions.if_match.empty()) {
    if (!names(conditions.if_match, existing.etag)) return failed();
  } else if (conditions.if_unmodified_since &&
             seconds_of(existing.created_ns) > seconds_of(*conditions.if_unmodified_since)) {
    return failed();
  }
  if (!conditions.if_none_match.empty()) {
    if (names(conditions.if_none_match, existing.etag)) return fail(ErrorCode::kNotModified, existing.etag);
  } else if (conditions.if_modified_since &&
             seconds_of(existing.created_ns) <= seconds_of(*conditions.if_modified_since)) {
    return fail(ErrorCode::kNotModified, existing.etag);
  }
  return {};
}

Result<void> check_source_conditions(const Conditions& conditions, const VersionHeader& existing) {
  auto result = check_read_conditions(conditions, existing);
  if (!result && result.error().code() == ErrorCode::kNotModified) return failed();
  return result;
}

}  // namespace flashstor::objects
