#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace flashstor::cli {

/// What to say of the first command or option that does not exist, with the nearest that does; nothing when
/// all are known.
[[nodiscard]] std::optional<std::string> unknown_word(const CLI::App& root,
                                                      const std::vector<std::string>& words);
/// Names of the commands below `app`, and of its options with those of its parents (`-r`, `--recursive`).
[[nodiscard]] std::vector<std::string> command_names(const CLI::App& app);
[[nodiscard]] std::vector<std::string> option_names(const CLI::App& app);

}  // namespace flashstor::cli
