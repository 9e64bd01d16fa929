#include "s3d/admin/admin_api.h"

#include <fmt/format.h>

#include <optional>

#include "s3d/admin/admin_call.h"
#include "s3d/admin/limits.h"

namespace flashstor::s3d {
namespace {

constexpr std::string_view kVersionPrefix = "/flashstor/admin/v1/";

// The actions are named as MinIO's policies name them, so that existing policies mean the same.
constexpr AdminRoute kRoutes[] = {
    {"GET", "info", "admin:ServerInfo", admin_info},
    {"GET", "mount", "", admin_mount},  // Who may mount what is decided when the mount is handed over.
    {"GET", "heal", "admin:Heal", admin_heal},
    {"POST", "heal/scan", "admin:Heal", admin_scan},
    {"POST", "set/recover", "admin:Heal", admin_recover},
    {"GET", "trace", "admin:ServerTrace", admin_trace},
    {"GET", "users", "admin:ListUsers", admin_list_users},
    {"GET", "users/*", "admin:GetUser", admin_get_user},
    {"PUT", "users/*", "admin:CreateUser", admin_put_user},
    {"DELETE", "users/*", "admin:DeleteUser", admin_delete_user},
    {"POST", "users/*/status", "admin:EnableUser", admin_user_status},
    {"GET", "policies", "admin:ListUserPolicies", admin_list_policies},
    {"GET", "policies/*", "admin:GetPolicy", admin_get_policy},
    {"PUT", "policies/*", "admin:CreatePolicy", admin_put_policy},
    {"DELETE", "policies/*", "admin:DeletePolicy", admin_delete_policy},
    {"POST", "policies/*/attach", "admin:AttachUserOrGroupPolicy", admin_attach_policy},
    {"POST", "policies/*/detach", "admin:AttachUserOrGroupPolicy", admin_detach_policy},
};

std::string_view first_part(std::string_view& path) {
  const auto slash = path.find('/');
  const std::string_view part = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  return part;
}

/// The name that the row's "*" stands for (empty when it has none), or nothing when the path is another's.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  std::string_view name;
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = first_part(pattern);
    const std::string_view part = first_part(path);
    if (wanted == "*" && !part.empty()) {
      name = part;
    } else if (wanted != part) {
      return std::nullopt;
    }
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return name;
}

struct Found {
  const AdminRoute* route = nullptr;
  std::string_view name;
  bool known_path = false;
};

Found find_route(std::string_view method, std::string_view path) {
  Found found;
  if (!path.starts_with(kVersionPrefix) || path.ends_with('/')) return found;
  path.remove_prefix(kVersionPrefix.size());
  for (const AdminRoute& route : kRoutes) {
    const auto name = match(route.path, path);
    if (!name) continue;
    found.known_path = true;
    if (route.method != method) continue;
    found.route = &route;
    found.name = *name;
    return found;
  }
  return found;
}

struct Answer {
  int status = 500;
  std::string code;
  std::string message;
};

Answer answer_of(const Call& call, const Error& error) {
  const auto words = [&] { return std::string(error.message()); };
  if (!call.refusal()) {
    switch (error.code()) {  // The others mean to an administrator what they mean to S3.
      case ErrorCode::kNotFound:
        return {404, "NotFound", words()};
      case ErrorCode::kMalformed:
        return {400, "MalformedRequest", words()};
      case ErrorCode::kConflict:
        return {409, "Conflict", words()};
      case ErrorCode::kReadQuorum:
        return {503, "ReadQuorum", words()};
      case ErrorCode::kQuotaExceeded:
        return {403, "QuotaExceeded", words()};
      default:
        break;
    }
  }
  const S3Error told = call.s3_error(error);
  const S3ErrorShape shape = shape_of(told.code);
  return {shape.status, std::string(shape.code),
          told.message.empty() ? std::string(shape.message) : told.message};
}

Task<Result<void>> send_error(Call& call, Answer answer) {
  call.response().set_status(answer.status);
  call.response().add_header("Content-Type", "application/json");
  const std::string body = Json::object({{"code", answer.code}, {"message", answer.message}}).dump();
  co_return co_await call.response().send(std::string_view(body));
}

/// Errors: kAccessDenied.
Result<void> authorise(Call& call, std::string_view action) {
  if (call.is_anonymous()) return fail(ErrorCode::kAccessDenied, "Access Denied.");
  if (action.empty()) return {};
  const iam::Decision decision = call.services().authorizer.decide(
      call.who, {}, {.action = action, .resource = {}, .now = call.services().runtime.wall_now()});
  if (decision.allowed) return {};
  return fail(ErrorCode::kAccessDenied, fmt::format("Access Denied: this takes {}.", action));
}

}  // namespace

std::span<const AdminRoute> admin_routes() { return kRoutes; }

Task<Result<void>> AdminCall::send(const Json& body) {
  call.response().add_header("Content-Type", "application/json");
  const std::string text = body.dump();
  co_return co_await call.response().send(std::string_view(text));
}

Task<Result<void>> AdminCall::send_done() { co_return co_await call.send_status(204); }

Task<Result<Json>> AdminCall::json_body() {
  const Buffer body =
      co_await or_return(call.small_body(admin_limits::kMaxUserBodyBytes, S3Code::kEntityTooLarge));
  Json json = co_await or_return(Json::parse(body.view()));
  if (!json.is_object()) co_return fail(ErrorCode::kMalformed, "The body must be a JSON object.");
  co_return json;
}

Task<Result<void>> AdminApi::handle(Call& call) {
  const Found found = find_route(call.request().method(), call.request().path());
  if (found.route == nullptr && !found.known_path)
    co_return co_await send_error(call, {404, "NotFound", "There is no such admin call."});
  if (found.route == nullptr)
    co_return co_await send_error(call, {405, "MethodNotAllowed", "This path does not take that method."});
  Result<void> done = authorise(call, found.route->action);
  if (done) {
    AdminCall admin{*this, call, std::string(found.name)};
    done = co_await found.route->handler(admin);
  }
  if (done || call.response().started()) co_return done;
  co_return co_await send_error(call, answer_of(call, done.error()));
}

}  // namespace flashstor::s3d
