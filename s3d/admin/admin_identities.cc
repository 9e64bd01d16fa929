#include <fmt/format.h>

#include "s3d/admin/admin_call.h"
#include "s3d/admin/limits.h"

// Users and policies. The IdentityStore lives on one loop: every call goes there and comes back.
namespace flashstor::s3d {
namespace {

Json user_json(const iam::User& user) {
  Json::Array policies;
  for (const std::string& policy : user.policies) policies.emplace_back(policy);
  return Json::object({{"access_key", user.access_key},
                       {"canonical_id", iam::canonical_id_of(user.access_key)},
                       {"status", user.status == iam::UserStatus::kEnabled ? "enabled" : "disabled"},
                       {"policies", Json(std::move(policies))}});
}

Task<std::vector<iam::User>> read_users(iam::IdentityStore* store) { co_return store->users(); }
Task<std::optional<iam::User>> read_user(iam::IdentityStore* store, std::string name) {
  co_return store->user(name);
}
Task<std::vector<iam::PolicyInfo>> read_policies(iam::IdentityStore* store) { co_return store->policies(); }
Task<std::optional<iam::PolicyInfo>> read_policy(iam::IdentityStore* store, std::string name) {
  co_return store->policy(name);
}

Result<iam::UserStatus> parse_status(std::string_view text) {
  if (text == "enabled") return iam::UserStatus::kEnabled;
  if (text == "disabled") return iam::UserStatus::kDisabled;
  return fail(ErrorCode::kInvalidArgument, "A user's status is \"enabled\" or \"disabled\".");
}

Task<Result<void>> bind_policy(AdminCall& call, bool attach) {
  const Json body = co_await or_return(call.json_body());
  const std::string user = co_await or_return(body.need_string("user"));
  iam::IdentityStore& store = call.api.identities();
  co_await or_return(async::run_on(
      call.api.home(), attach ? store.attach(user, {call.name}) : store.detach(user, {call.name})));
  co_return co_await call.send_done();
}

}  // namespace

Task<Result<void>> admin_list_users(AdminCall& call) {
  const auto users = co_await async::run_on(call.api.home(), read_users(&call.api.identities()));
  Json list = Json::array();
  for (const iam::User& user : users) list.push(user_json(user));
  co_return co_await call.send(list);
}

Task<Result<void>> admin_get_user(AdminCall& call) {
  const auto user = co_await async::run_on(call.api.home(), read_user(&call.api.identities(), call.name));
  if (!user)
    co_return fail(ErrorCode::kNotFound, fmt::format("The specified user does not exist: {}", call.name));
  co_return co_await call.send(user_json(*user));
}

Task<Result<void>> admin_put_user(AdminCall& call) {
  const Json body = co_await or_return(call.json_body());
  const std::string secret = co_await or_return(body.need_string("secret_key"));
  const iam::UserStatus status = co_await or_return(parse_status(body.string_or("status", "enabled")));
  iam::IdentityStore& store = call.api.identities();
  co_await or_return(async::run_on(call.api.home(), store.add_user(call.name, secret)));
  if (status != iam::UserStatus::kEnabled)
    co_await or_return(async::run_on(call.api.home(), store.set_status(call.name, status)));
  co_return co_await call.send_done();
}

Task<Result<void>> admin_delete_user(AdminCall& call) {
  co_await or_return(async::run_on(call.api.home(), call.api.identities().remove_user(call.name)));
  co_return co_await call.send_done();
}

Task<Result<void>> admin_user_status(AdminCall& call) {
  const Json body = co_await or_return(call.json_body());
  const iam::UserStatus status = co_await or_return(parse_status(body.string_or("status")));
  co_await or_return(async::run_on(call.api.home(), call.api.identities().set_status(call.name, status)));
  co_return co_await call.send_done();
}

Task<Result<void>> admin_list_policies(AdminCall& call) {
  const auto policies = co_await async::run_on(call.api.home(), read_policies(&call.api.identities()));
  Json list = Json::array();
  for (const iam::PolicyInfo& policy : policies) list.push(policy.name);
  co_return co_await call.send(list);
}

Task<Result<void>> admin_get_policy(AdminCall& call) {
  const auto policy = co_await async::run_on(call.api.home(), read_policy(&call.api.identities(), call.name));
  if (!policy)
    co_return fail(ErrorCode::kNotFound, fmt::format("The specified policy does not exist: {}", call.name));
  call.call.response().add_header("Content-Type", "application/json");
  co_return co_await call.call.response().send(std::string_view(policy->text));
}

Task<Result<void>> admin_put_policy(AdminCall& call) {
  const Buffer body =
      co_await or_return(call.call.small_body(limits::kMaxPolicyBytes, S3Code::kEntityTooLarge));
  std::string text(body.view());
  auto stored =
      co_await async::run_on(call.api.home(), call.api.identities().put_policy(call.name, std::move(text)));
  if (!stored && stored.error().code() == ErrorCode::kMalformed)
    co_return call.call.refuse(S3Code::kMalformedPolicy, std::string(stored.error().message()));
  if (!stored) co_return stored;
  co_return co_await call.send_done();
}

Task<Result<void>> admin_delete_policy(AdminCall& call) {
  co_await or_return(async::run_on(call.api.home(), call.api.identities().remove_policy(call.name)));
  co_return co_await call.send_done();
}

Task<Result<void>> admin_attach_policy(AdminCall& call) { co_return co_await bind_policy(call, true); }
Task<Result<void>> admin_detach_policy(AdminCall& call) { co_return co_await bind_policy(call, false); }

}  // namespace flashstor::s3d
