#include "cli/admin_client.h"

#include "cli/limits.h"

namespace flashstor::cli {

std::string admin_path(const std::string& path) { return "/flashstor/admin/v1/" + path; }

Result<Json> admin_call(S3Client& client, const std::string& method, const std::string& path,
                        const Json& body) {
  S3Call call{.method = method, .path = admin_path(path)};
  if (!body.is_null()) {
    call.body = body.dump();
    call.headers.push_back({"Content-Type", "application/json"});
  }
  const auto response = client.call(call);
  if (!response) return std::unexpected(response.error());
  if (response->body.empty()) return Json();
  return Json::parse(response->body, {.bytes = limits::kMaxAnswerBytes});
}

}  // namespace flashstor::cli
