#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace flashstor::cli {

/// Completion scripts, made from the tree of commands itself.
[[nodiscard]] std::string bash_completion(const CLI::App& root);
[[nodiscard]] std::string zsh_completion(const CLI::App& root);
[[nodiscard]] std::string fish_completion(const CLI::App& root);

}  // namespace flashstor::cli
