#include "engine/iam/policy.h"

#include <algorithm>
#include <array>

#include "engine/iam/statement.h"

namespace flashstor::iam {

Policy::Policy(std::string text, std::vector<Statement> statements)
    : text_(std::move(text)),
      statements_(std::move(statements)),
      is_public_(std::ranges::any_of(statements_, is_public_statement)),
      uses_object_tags_(uses_key("s3:existingobjecttag/")) {}

Policy::~Policy() = default;

Verdict Policy::evaluate(const Principal& principal, const RequestContext& request) const {
  const RequestKeys keys(principal, request);
  Verdict verdict = Verdict::kNoMatch;
  for (const Statement& statement : statements_) {
    if (statement.effect == Effect::kAllow && verdict == Verdict::kAllow) continue;
    if (!statement.concerns(principal, request.action) || !statement.holds_for(keys, request.resource))
      continue;
    if (statement.effect == Effect::kDeny) return Verdict::kDeny;
    verdict = Verdict::kAllow;
  }
  return verdict;
}

bool Policy::uses_key(std::string_view prefix) const {
  return std::ranges::any_of(statements_, [&](const Statement& one) { return one.uses_key(prefix); });
}

namespace {

struct Builtin {
  std::string_view name;
  std::string_view text;
};

// The names and contents that MinIO's users know; ownbuckets is ours.
constexpr std::array<Builtin, 6> kBuiltins = {{
    {"consoleAdmin",
     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["admin:*"]},{"Effect":"Allow","Action":["kms:*"]},)"
     R"({"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]})"},
    {"diagnostics",
     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["admin:Profiling","admin:TopLocksInfo",)"
     R"("admin:ConsoleLog","admin:OBDInfo","admin:ServerInfo","admin:ServerTrace","admin:Prometheus",)"
     R"("admin:BandwidthMonitor"],"Resource":["arn:aws:s3:::*"]}]})"},
    {"ownbuckets",
     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:CreateBucket","s3:ListAllMyBuckets"],)"
     R"("Resource":["arn:aws:s3:::*"]},{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"],)"
     R"("Condition":{"StringEquals":{"flashstor:BucketOwner":"${aws:username}"}}}]})"},
    {"readonly",
     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetBucketLocation","s3:GetObject"],)"
     R"("Resource":["arn:aws:s3:::*"]}]})"},
    {"readwrite",
     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]})"},
    {"writeonly",
     R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::*"]}]})"},
}};

}  // namespace

const std::vector<std::string>& builtin_policy_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Builtin& one : kBuiltins) all.emplace_back(one.name);
    return all;
  }();
  return names;
}

std::string_view builtin_policy(std::string_view name) {
  const auto* const found = std::ranges::find(kBuiltins, name, &Builtin::name);
  return found == kBuiltins.end() ? std::string_view() : found->text;
}

}  // namespace flashstor::iam
