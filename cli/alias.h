#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/sign.h"
#include "cli/url.h"
#include "engine/base/error.h"

namespace flashstor::cli {

/// A named endpoint with its credentials.
struct Alias {
  std::string name;
  Url url;
  Credentials credentials;
  std::string region = "us-east-1";
  std::string source;  ///< Where it was read: "config", "environment", "mc" or "aws".
};

/// Letters, digits, `-` and `_`, beginning with a letter, at most 64. Errors: kInvalidArgument.
[[nodiscard]] Result<void> check_alias_name(std::string_view name);

/// The aliases a user has, the first found winning: FLASHSTORE_HOST_<name> and MC_HOST_<name> in the
/// environment, flashctl's own file (`config.json` in the folder given, mode 0600), ~/.mc/config.json, and
/// profiles of ~/.aws/credentials as `aws` (the default one) and `aws-<profile>`.
class AliasBook {
 public:
  /// Errors: kMalformed or kIo for flashctl's own file; the foreign ones are skipped when they cannot be
  /// read.
  [[nodiscard]] static Result<AliasBook> load(std::string config_folder);
  [[nodiscard]] const std::vector<Alias>& all() const { return aliases_; }
  [[nodiscard]] const Alias* find(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  /// Adds or replaces an alias of flashctl's own file, durably. Errors: kInvalidArgument, kIo.
  [[nodiscard]] Result<void> set(Alias alias);
  /// Errors: kNotFound when flashctl's own file has no such alias, kIo.
  [[nodiscard]] Result<void> remove(std::string_view name);
  [[nodiscard]] std::string file() const { return folder_ + "/config.json"; }

 private:
  [[nodiscard]] Result<void> save() const;
  std::string folder_;
  std::vector<Alias> own_;
  std::vector<Alias> aliases_;
};

/// $FLASHSTORE_CONFIG_DIR, $XDG_CONFIG_HOME/flashstor or ~/.config/flashstor.
[[nodiscard]] std::string default_config_folder();

}  // namespace flashstor::cli
