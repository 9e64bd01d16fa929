#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/base/json.h"
#include "s3d/admin/admin_api.h"

namespace flashstor::s3d {

/// One admin request on its way: the parts of the path that its row left open, and how it is answered.
struct AdminCall {
  AdminApi& api;
  Call& call;
  std::string name;  ///< The {access_key} or {name} of the path.

  Task<Result<void>> send(const Json& body);
  /// 204.
  Task<Result<void>> send_done();
  /// The body as a JSON object. Errors: kMalformed, kEntityTooLarge.
  Task<Result<Json>> json_body();
};

using AdminHandler = Task<Result<void>> (*)(AdminCall&);

/// One method on one path; "*" in the path stands for one name.
struct AdminRoute {
  std::string_view method;
  std::string_view path;    ///< Below /flashstor/admin/v1/.
  std::string_view action;  ///< What a policy must allow; empty: open to whoever signs with a known key.
  AdminHandler handler = nullptr;
};
/// Every call of the admin API.
[[nodiscard]] std::span<const AdminRoute> admin_routes();

Task<Result<void>> admin_info(AdminCall& call);
Task<Result<void>> admin_mount(AdminCall& call);
Task<Result<void>> admin_heal(AdminCall& call);
Task<Result<void>> admin_scan(AdminCall& call);
Task<Result<void>> admin_recover(AdminCall& call);
Task<Result<void>> admin_trace(AdminCall& call);
Task<Result<void>> admin_list_users(AdminCall& call);
Task<Result<void>> admin_get_user(AdminCall& call);
Task<Result<void>> admin_put_user(AdminCall& call);
Task<Result<void>> admin_delete_user(AdminCall& call);
Task<Result<void>> admin_user_status(AdminCall& call);
Task<Result<void>> admin_list_policies(AdminCall& call);
Task<Result<void>> admin_get_policy(AdminCall& call);
Task<Result<void>> admin_put_policy(AdminCall& call);
Task<Result<void>> admin_delete_policy(AdminCall& call);
Task<Result<void>> admin_attach_policy(AdminCall& call);
Task<Result<void>> admin_detach_policy(AdminCall& call);

/// One line of a trace, with its end.
[[nodiscard]] std::string trace_line(const RequestRecord& record);

}  // namespace flashstor::s3d
