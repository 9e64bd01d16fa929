#include "engine/iam/request_context.h"

#include <fmt/format.h>

#include <chrono>

#include "engine/iam/pattern.h"
#include "engine/iam/wildcard.h"

namespace flashstor::iam {
namespace {

/// "2026-11-23T08:00:00Z".
std::string iso_time(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string_view principal_type(Principal::Kind kind) {
  switch (kind) {
    case Principal::Kind::kAnonymous:
      return "Anonymous";
    case Principal::Kind::kUser:
      return "User";
    case Principal::Kind::kRoot:
      return "Account";
  }
  return {};
}

}  // namespace

ConditionMap& ConditionMap::set(std::string_view key, std::string value) {
  keys_[normal_condition_key(key)] = {std::move(value)};
  return *this;
}

ConditionMap& ConditionMap::set_all(std::string_view key, ConditionValues values) {
  keys_[normal_condition_key(key)] = std::move(values);
  return *this;
}

bool ConditionMap::find(std::string_view key, ConditionValues& values) const {
  const auto found = keys_.find(std::string(key));
  if (found == keys_.end()) return false;
  values.insert(values.end(), found->second.begin(), found->second.end());
  return true;
}

std::string resource_arn(std::string_view bucket, std::string_view key) {
  std::string arn;
  arn.reserve(kS3ArnPrefix.size() + bucket.size() + 1 + key.size());
  arn.append(kS3ArnPrefix).append(bucket);
  if (!key.empty()) arn.append("/").append(key);
  return arn;
}

std::string normal_condition_key(std::string_view key) {
  std::string normal(key);
  for (char& c : normal) {
    if (c == '/') break;
    c = lower_ascii(c);
  }
  return normal;
}

bool RequestKeys::find(std::string_view key, ConditionValues& values) const {
  if (key == "aws:username" || key == "aws:userid") {
    if (principal_.is_anonymous()) return false;
    values.emplace_back(principal_.name);
    return true;
  }
  if (key == "aws:principalarn") {
    if (principal_.is_anonymous()) return false;
    values.push_back(principal_.kind == Principal::Kind::kRoot
                         ? std::string("arn:aws:iam:::root")
                         : fmt::format("arn:aws:iam:::user/{}", principal_.name));
    return true;
  }
  if (key == "aws:principaltype") {
    values.emplace_back(principal_type(principal_.kind));
    return true;
  }
  if (key == "aws:currenttime") {
    values.push_back(iso_time(request_.now));
    return true;
  }
  if (key == "aws:epochtime") {
    values.push_back(
        fmt::format("{}", std::chrono::floor<std::chrono::seconds>(request_.now).time_since_epoch().count()));
    return true;
  }
  return request_.conditions != nullptr && request_.conditions->find(key, values);
}

}  // namespace flashstor::iam
