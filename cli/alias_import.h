#pragma once

#include <string>
#include <vector>

#include "cli/alias.h"

namespace flashstor::cli {

/// `FLASHSTORE_HOST_x` and `MC_HOST_x`, as http[s]://KEY:SECRET[:TOKEN]@HOST[:PORT]. `environment` is as
/// ::environ.
[[nodiscard]] std::vector<Alias> aliases_of_environment(char** environment);
/// The text of mc's config.json (versions 9 and 10).
[[nodiscard]] std::vector<Alias> aliases_of_mc(std::string_view text);
/// The text of ~/.aws/credentials; the endpoint is `endpoint_url` of the profile, or AWS itself.
[[nodiscard]] std::vector<Alias> aliases_of_aws(std::string_view text);

}  // namespace flashstor::cli
