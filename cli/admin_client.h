#pragma once

#include <string>

#include "cli/s3_client.h"
#include "engine/base/json.h"

namespace flashstor::cli {

/// One request of the admin API (`/flashstor/admin/v1/` + path, signed as S3 is); an empty answer gives null.
/// Errors: those of S3Client::call, kMalformed when the answer is no JSON.
[[nodiscard]] Result<Json> admin_call(S3Client& client, const std::string& method, const std::string& path,
                                      const Json& body = {});
/// The admin API's full path, its parts already encoded.
[[nodiscard]] std::string admin_path(const std::string& path);

}  // namespace flashstor::cli
