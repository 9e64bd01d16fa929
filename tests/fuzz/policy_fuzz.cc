// Policies from anybody, and requests made up from the same bytes. Input: a policy document, a 0x00, then
// lines: action, resource, user's name (empty: anonymous), and "key=value" condition keys.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "engine/iam/authorizer.h"
#include "engine/iam/policy.h"

namespace {

using flashstor::iam::Authorizer;
using flashstor::iam::BucketAccess;
using flashstor::iam::ConditionMap;
using flashstor::iam::Decision;
using flashstor::iam::Iam;
using flashstor::iam::Identity;
using flashstor::iam::IdentityRef;
using flashstor::iam::Policy;
using flashstor::iam::PolicyKind;
using flashstor::iam::PolicyRef;
using flashstor::iam::Principal;
using flashstor::iam::RequestContext;
using flashstor::iam::Verdict;

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

IdentityRef identity_of(std::string_view name, PolicyRef policy) {
  auto identity = std::make_shared<Identity>();
  if (!name.empty()) {
    identity->kind = Principal::Kind::kUser;
    identity->access_key = name;
    identity->canonical_id = flashstor::iam::canonical_id_of(name);
    if (policy != nullptr) identity->policies.push_back(std::move(policy));
  }
  return identity;
}

/// The cache must say what plain evaluation says, the first time and the second.
void check_cache(const IdentityRef& who, const PolicyRef& on_bucket, const RequestContext& request) {
  Verdict own = Verdict::kNoMatch;
  if (!who->policies.empty()) own = who->policies[0]->evaluate(who->principal(), request);
  Verdict bucket_says = Verdict::kNoMatch;
  if (on_bucket != nullptr) bucket_says = on_bucket->evaluate(who->principal(), request);
  const bool denied = own == Verdict::kDeny || bucket_says == Verdict::kDeny;
  const bool expected = !denied && (own == Verdict::kAllow || bucket_says == Verdict::kAllow);
  static const Iam iam("rootuser", "rootpassword");
  static Authorizer authorizer(iam);
  const BucketAccess bucket{.policy = on_bucket};
  for (int time = 0; time < 2; ++time)
    FLASHSTOR_CHECK(authorizer.decide(who, bucket, request).allowed == expected);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::size_t end = rest.find('\0');
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  const auto on_bucket = Policy::parse(text, PolicyKind::kBucket, "b");
  const auto on_user = Policy::parse(text, PolicyKind::kIdentity);
  FLASHSTOR_CHECK(!(on_bucket && on_user));  // A Principal is required in the one and refused in the other.
  for (const auto* policy : {&on_bucket, &on_user}) {
    if (*policy) FLASHSTOR_CHECK((**policy)->text() == text);
    if (!*policy) FLASHSTOR_CHECK(!policy->error().message().empty());
  }
  if (!on_bucket && !on_user) return 0;

  const std::string_view action = take_line(rest);
  const std::string_view resource = take_line(rest);
  const std::string_view name = take_line(rest);
  ConditionMap keys;
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos)
      keys.set(line.substr(0, equals), std::string(line.substr(equals + 1)));
  }
  const PolicyRef bucket_policy = on_bucket.value_or(nullptr);
  const IdentityRef who = identity_of(name, on_user.value_or(nullptr));
  for (const bool with_keys : {true, false}) {
    const RequestContext request{
        .action = action, .resource = resource, .conditions = with_keys ? &keys : nullptr};
    check_cache(who, bucket_policy, request);
    // A policy that is not public lets nobody in who brings nothing but himself.
    const bool is_alone = name.empty() && !with_keys;
    if (is_alone && bucket_policy != nullptr && !bucket_policy->is_public())
      FLASHSTOR_CHECK(bucket_policy->evaluate(who->principal(), request) != Verdict::kAllow);
  }
  return 0;
}
