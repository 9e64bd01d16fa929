#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/s3_client.h"
#include "engine/base/error.h"

namespace flashstor::cli {

/// What a command line may say of objects to be written.
struct PutArguments {
  std::string content_type;
  std::string storage_class;
  std::vector<std::string> metadata;  ///< NAME=VALUE; Cache-Control and its like go as themselves.
  std::string tags;                   ///< NAME=VALUE&…
  void add_to(CLI::App& command);
  [[nodiscard]] bool given() const {
    return !content_type.empty() || !storage_class.empty() || !metadata.empty() || !tags.empty();
  }
  /// Errors: kInvalidArgument for metadata or tags without `=`.
  [[nodiscard]] Result<PutOptions> options() const;
};

/// "a=1&b=2", each side percent-decoded. Errors: kInvalidArgument.
[[nodiscard]] Result<Tags> parse_tags(std::string_view text);

}  // namespace flashstor::cli
