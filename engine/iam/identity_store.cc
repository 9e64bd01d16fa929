#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/iam/identities.h"
#include "engine/iam/identity_record.h"
#include "engine/iam/limits.h"

namespace flashstor::iam {
namespace {

/// Gives back the turn that `co_await changes_.acquire()` took.
class Turn {
 public:
  explicit Turn(async::Semaphore& changes) : changes_(changes) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { changes_.release(); }

 private:
  async::Semaphore& changes_;
};

/// What a user gets whose policy cannot be found: dropping an unknown policy might drop a Deny.
const PolicyRef& deny_all() {
  static const PolicyRef policy = [] {
    const auto parsed = Policy::parse(
        R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]})",
        PolicyKind::kIdentity);
    FLASHSTOR_CHECK(parsed.has_value());
    return *parsed;
  }();
  return policy;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::unexpected<Error> no_such_user(std::string_view access_key) {
  return fail(ErrorCode::kNotFound, fmt::format("The specified user does not exist: {}", access_key));
}

std::unexpected<Error> no_such_policy(std::string_view name) {
  return fail(ErrorCode::kNotFound, fmt::format("The specified policy does not exist: {}", name));
}

}  // namespace

Result<void> check_access_key(std::string_view access_key) {
  if (access_key.size() < limits::kMinAccessKeyBytes || access_key.size() > limits::kMaxAccessKeyBytes)
    return fail(ErrorCode::kInvalidArgument, "An access key has 3 to 128 characters");
  if (!is_printable(access_key) || access_key.find_first_of("=,/:*?") != std::string_view::npos)
    return fail(ErrorCode::kInvalidArgument,
                "An access key is printable ASCII without spaces and = , / : * ?");
  return {};
}

Result<void> check_secret_key(std::string_view secret_key) {
  if (secret_key.size() < limits::kMinSecretKeyBytes || secret_key.size() > limits::kMaxSecretKeyBytes)
    return fail(ErrorCode::kInvalidArgument, "A secret key has 8 to 128 characters");
  if (!is_printable(secret_key))
    return fail(ErrorCode::kInvalidArgument, "A secret key is printable ASCII without spaces");
  return {};
}

Result<void> check_policy_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("+=.@-_").find(c) != std::string_view::npos;
  };
  if (name.empty() || name.size() > limits::kMaxPolicyNameBytes || !std::ranges::all_of(name, is_allowed))
    return fail(ErrorCode::kInvalidArgument, "A policy's name has 1 to 128 letters, digits and + = . @ - _");
  return {};
}

IdentityStore::IdentityStore(Iam& iam, IdentityBackend& backend, const SecretBox& box, Random& random)
    : iam_(iam), backend_(backend), box_(box), random_(random) {
  for (const std::string& name : builtin_policy_names()) {
    Result<PolicyRef> policy = Policy::parse(builtin_policy(name), PolicyKind::kIdentity);
    FLASHSTOR_CHECK(policy.has_value());
    policies_[name] = {std::move(*policy), true};
  }
}

IdentityStore::~IdentityStore() = default;

Task<Result<IdentityStore::Users>> IdentityStore::load_users(const SecretBox* previous) {
  Users users;
  std::set<std::string, std::less<>> unopened;
  std::optional<Error> first;
  for (const std::string& path : co_await or_return(backend_.list(std::string(kUserPrefix)))) {
    const std::optional<std::string> record = co_await or_return(backend_.load(path));
    if (!record) continue;  // Removed since it was listed.
    Result<User> user = decode_user(*record, box_);
    if (!user && user.error().code() == ErrorCode::kCorrupt && previous != nullptr) {
      user = decode_user(*record, *previous);
      if (user)
        co_await or_return(backend_.save(path, co_await or_return(encode_user(*user, box_, random_))));
    }
    if (!user) {
      Error error = user.error().wrap(user.error().code(), fmt::format("Reading {}", path));
      if (error.code() != ErrorCode::kCorrupt) co_return std::unexpected(std::move(error));
      if (!first) first = std::move(error);
      unopened.insert(path);
      continue;
    }
    std::string access_key = user->access_key;
    users.insert_or_assign(std::move(access_key), std::move(*user));
  }
  // One bad record must not stop a store that serves; but with all of them closed it is this node that is
  // wrong.
  if (!loaded_ && users.empty() && first) co_return std::unexpected(std::move(*first));
  for (const std::string& path : unopened) {
    if (!unopened_.contains(path))
      base::log_warning(
          "{} is left out and his requests are refused: his secret was sealed under other root "
          "credentials, or was changed",
          path);
  }
  unopened_ = std::move(unopened);
  co_return users;
}

Task<Result<IdentityStore::Policies>> IdentityStore::load_policies() {
  Policies policies;
  for (const std::string& path : co_await or_return(backend_.list(std::string(kPolicyPrefix)))) {
    const std::optional<std::string> record = co_await or_return(backend_.load(path));
    if (!record) continue;
    Result<StoredPolicy> stored = decode_policy(*record);
    if (!stored)
      co_return std::unexpected(stored.error().wrap(stored.error().code(), fmt::format("Reading {}", path)));
    policies.insert_or_assign(std::move(stored->name), Named{std::move(stored->policy), false});
  }
  co_return policies;
}

Task<Result<void>> IdentityStore::load(const SecretBox* previous) {
  co_await changes_.acquire();
  const Turn turn(changes_);
  Policies policies = co_await or_return(load_policies());
  Users users = co_await or_return(load_users(previous));
  for (const auto& [name, named] : policies_) {
    if (named.builtin) policies.insert_or_assign(name, named);
  }
  users_ = std::move(users);
  policies_ = std::move(policies);
  loaded_ = true;
  publish();
  co_return Result<void>();
}

IdentityRef IdentityStore::identity_of(const User& user) const {
  auto identity = std::make_shared<Identity>();
  identity->kind = Principal::Kind::kUser;
  identity->access_key = user.access_key;
  identity->secret_key = user.secret_key;
  identity->canonical_id = canonical_id_of(user.access_key);
  identity->enabled = user.status == UserStatus::kEnabled;
  for (const std::string& name : user.policies) {
    const auto found = policies_.find(name);
    identity->policies.push_back(found == policies_.end() ? deny_all() : found->second.policy);
  }
  return identity;
}

void IdentityStore::publish() {
  std::vector<IdentityRef> identities;
  identities.reserve(users_.size());
  for (const auto& [access_key, user] : users_) identities.push_back(identity_of(user));
  iam_.publish(std::move(identities));
}

Result<User> IdentityStore::need_user(std::string_view access_key) const {
  const auto found = users_.find(access_key);
  if (found == users_.end()) return no_such_user(access_key);
  return found->second;
}

Task<Result<void>> IdentityStore::replace_user(User user) {
  std::string record = co_await or_return(encode_user(user, box_, random_));
  co_await or_return(backend_.save(user_path(user.access_key), std::move(record)));
  std::string access_key = user.access_key;
  users_.insert_or_assign(std::move(access_key), std::move(user));
  publish();
  co_return Result<void>();
}

Task<Result<void>> IdentityStore::add_user(std::string access_key, std::string secret_key) {
  co_await or_return(check_access_key(access_key));
  co_await or_return(check_secret_key(secret_key));
  if (access_key == iam_.snapshot()->root->access_key)
    co_return fail(ErrorCode::kInvalidArgument, "This is the access key of the root user");
  co_await changes_.acquire();
  const Turn turn(changes_);
  if (users_.size() >= limits::kMaxUsers && !users_.contains(access_key))
    co_return fail(ErrorCode::kQuotaExceeded, fmt::format("There are {} users already", users_.size()));
  User user = need_user(access_key).value_or(User{.access_key = access_key});
  user.secret_key = std::move(secret_key);
  user.status = UserStatus::kEnabled;
  co_await or_return(replace_user(std::move(user)));
  co_return Result<void>();
}

Task<Result<void>> IdentityStore::remove_user(std::string access_key) {
  co_await changes_.acquire();
  const Turn turn(changes_);
  // One whose record does not open is no user here, and can be got rid of all the same.
  const std::string path = user_path(access_key);
  if (!users_.contains(access_key) && !unopened_.contains(path)) co_return no_such_user(access_key);
  co_await or_return(backend_.remove(path));
  users_.erase(access_key);
  unopened_.erase(path);
  publish();
  co_return Result<void>();
}

Task<Result<void>> IdentityStore::set_status(std::string access_key, UserStatus status) {
  co_await changes_.acquire();
  const Turn turn(changes_);
  User user = co_await or_return(need_user(access_key));
  user.status = status;
  co_await or_return(replace_user(std::move(user)));
  co_return Result<void>();
}

Task<Result<void>> IdentityStore::set_secret(std::string access_key, std::string secret_key) {
  co_await or_return(check_secret_key(secret_key));
  co_await changes_.acquire();
  const Turn turn(changes_);
  User user = co_await or_return(need_user(access_key));
  user.secret_key = std::move(secret_key);
  co_await or_return(replace_user(std::move(user)));
  co_return Result<void>();
}

Task<Result<void>> IdentityStore::attach(std::string access_key, std::vector<std::string> policies) {
  co_await changes_.acquire();
  const Turn turn(changes_);
  User user = co_await or_return(need_user(access_key));
  for (std::string& name : policies) {
    if (!policies_.contains(name)) co_return no_such_policy(name);
    user.policies.push_back(std::move(name));
  }
  std::ranges::sort(user.policies);
  const auto repeated = std::ranges::unique(user.policies);
  user.policies.erase(repeated.begin(), repeated.end());
  if (user.policies.size() > limits::kMaxUserPolicies)
    co_return fail(ErrorCode::kQuotaExceeded,
                   fmt::format("A user has at most {} policies", limits::kMaxUserPolicies));
  co_await or_return(replace_user(std::move(user)));
  co_return Result<void>();
}

Task<Result<void>> IdentityStore::detach(std::string access_key, std::vector<std::string> policies) {
  co_await changes_.acquire();
  const Turn turn(changes_);
  User user = co_await or_return(need_user(access_key));
  for (const std::string& name : policies) {
    if (std::erase(user.policies, name) == 0)
      co_return fail(ErrorCode::kNotFound,
                     fmt::format("The policy {} is not attached to {}", name, access_key));
  }
  co_await or_return(replace_user(std::move(user)));
  co_return Result<void>();
}

Task<Result<void>> IdentityStore::put_policy(std::string name, std::string text) {
  co_await or_return(check_policy_name(name));
  if (!builtin_policy(name).empty())
    co_return fail(ErrorCode::kInvalidArgument, fmt::format("{} is a built-in policy", name));
  PolicyRef policy = co_await or_return(Policy::parse(text, PolicyKind::kIdentity));
  co_await changes_.acquire();
  const Turn turn(changes_);
  if (policies_.size() >= limits::kMaxPolicies && !policies_.contains(name))
    co_return fail(ErrorCode::kQuotaExceeded, fmt::format("There are {} policies already", policies_.size()));
  co_await or_return(backend_.save(policy_path(name), encode_policy(name, text)));
  policies_.insert_or_assign(std::move(name), Named{std::move(policy), false});
  publish();
  co_return Result<void>();
}

Task<Result<void>> IdentityStore::remove_policy(std::string name) {
  co_await changes_.acquire();
  const Turn turn(changes_);
  const auto found = policies_.find(name);
  if (found == policies_.end()) co_return no_such_policy(name);
  if (found->second.builtin)
    co_return fail(ErrorCode::kInvalidArgument, fmt::format("{} is a built-in policy", name));
  for (const auto& [access_key, user] : users_) {
    if (std::ranges::find(user.policies, name) != user.policies.end())
      co_return fail(ErrorCode::kConflict, fmt::format("The policy {} is attached to {}", name, access_key));
  }
  co_await or_return(backend_.remove(policy_path(name)));
  policies_.erase(name);
  publish();
  co_return Result<void>();
}

std::optional<User> IdentityStore::user(std::string_view access_key) const {
  const auto found = users_.find(access_key);
  return found == users_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<User> IdentityStore::users() const {
  std::vector<User> all;
  all.reserve(users_.size());
  for (const auto& [access_key, user] : users_) all.push_back(user);
  return all;
}

std::optional<PolicyInfo> IdentityStore::policy(std::string_view name) const {
  const auto found = policies_.find(name);
  if (found == policies_.end()) return std::nullopt;
  return PolicyInfo{found->first, found->second.builtin, found->second.policy->text()};
}

std::vector<PolicyInfo> IdentityStore::policies() const {
  std::vector<PolicyInfo> all;
  for (const bool builtin : {true, false}) {
    for (const auto& [name, named] : policies_) {
      if (named.builtin == builtin) all.push_back({name, builtin, named.policy->text()});
    }
  }
  return all;
}

}  // namespace flashstor::iam
