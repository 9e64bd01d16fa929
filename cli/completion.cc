#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "cli/suggest.h"

namespace flashstor::cli {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// "flashctl admin user" and every other path of the tree, each with its App.
void collect(const CLI::App& app, const std::string& path,
             std::vector<std::pair<std::string, const CLI::App*>>& all) {
  all.emplace_back(path, &app);
  for (const CLI::App* command : commands_of(app)) collect(*command, path + " " + command->get_name(), all);
}

std::vector<std::pair<std::string, const CLI::App*>> all_paths(const CLI::App& root) {
  std::vector<std::pair<std::string, const CLI::App*>> all;
  collect(root, root.get_name(), all);
  return all;
}

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char character : text) {
    if (character == '\'') {
      out += "'\\''";
    } else {
      out += character;
    }
  }
  return out + "'";
}

/// One line of the table that both bash and zsh look their words up in.
std::string table(const CLI::App& root) {
  std::string out;
  for (const auto& [path, app] : all_paths(root)) {
    std::vector<std::string> words = command_names(*app);
    for (const std::string& option : option_names(*app)) words.push_back(option);
    out += fmt::format("    {}) words={} ;;\n", single_quoted(path),
                       single_quoted(fmt::format("{}", fmt::join(words, " "))));
  }
  return out;
}

/// Alias names for a word that is not an option, from flashctl itself.
constexpr const char* kAliases =
    "flashctl --json alias list 2>/dev/null | sed -n 's/.*\"alias\":\"\\([^\"]*\\)\".*/\\1\\//p'";
/// Buckets and keys of one listing; keys with quotes or backslashes in their JSON are left out.
constexpr const char* kKeys = "sed -n 's/.*\"key\":\"\\([^\"\\]*\\)\".*/\\1/p'";

}  // namespace

std::string bash_completion(const CLI::App& root) {
  return fmt::format(
      R"sh(# flashctl completion for bash:  source <(flashctl completion bash)
_flashctl() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path=flashctl words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if _flashctl_words "$path ${{COMP_WORDS[i]}}"; then path="$path ${{COMP_WORDS[i]}}"; fi
  done
  _flashctl_words "$path"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ $current != -* && " $words" != *" "[a-z]* ]]; then
    local IFS=$'\n' aliases
    aliases=$({0})
    if [[ $current == */* && $'\n'$aliases$'\n' == *$'\n'"${{current%%/*}}/"$'\n'* ]]; then
      COMPREPLY+=($(compgen -W "$(flashctl --json ls "${{current%/*}}/" 2>/dev/null | {2} |
        while read -r key; do printf '%s/%s\n' "${{current%/*}}" "$key"; done)" -- "$current"))
    else
      COMPREPLY+=($(compgen -W "$aliases" -- "$current") $(compgen -f -- "$current"))
    fi
    compopt -o nospace -o filenames 2>/dev/null
  fi
}}
_flashctl_words() {{
  case "$1" in
{1}    *) return 1 ;;
  esac
}}
complete -F _flashctl flashctl
)sh",
      kAliases, table(root), kKeys);
}

std::string zsh_completion(const CLI::App& root) {
  return "# flashctl completion for zsh:  source <(flashctl completion zsh)\n"
         "autoload -U +X compinit && compinit -u\nautoload -U +X bashcompinit && bashcompinit\n" +
         bash_completion(root);
}

std::string fish_completion(const CLI::App& root) {
  std::string out = "# flashctl completion for fish:  flashctl completion fish | source\n";
  for (const auto& [path, app] : all_paths(root)) {
    std::string condition;
    const CLI::App* level = app;
    while (level->get_parent()) {
      condition = fmt::format("__fish_seen_subcommand_from {}{}{}", level->get_name(),
                              condition.empty() ? "" : "; and ", condition);
      level = level->get_parent();
    }
    if (condition.empty()) condition = "__fish_use_subcommand";
    // Once one of a group's commands is there, the others are no choice any more.
    const std::vector<std::string> inside = command_names(*app);
    const std::string group =
        app->get_parent() && !inside.empty()
            ? fmt::format("{}; and not __fish_seen_subcommand_from {}", condition, fmt::join(inside, " "))
            : condition;
    for (const CLI::App* command : commands_of(*app))
      out += fmt::format("complete -c flashctl -n {} -f -a {} -d {}\n", single_quoted(group),
                         command->get_name(), single_quoted(command->get_description()));
    for (const CLI::Option* option : app->get_options()) {
      std::string names;
      for (const std::string& name : option->get_snames()) names += " -s " + name;
      for (const std::string& name : option->get_lnames()) names += " -l " + name;
      if (names.empty()) continue;
      const bool global = !app->get_parent();
      out += fmt::format(
          "complete -c flashctl{}{}{} -d {}\n", global ? "" : " -n " + single_quoted(condition), names,
          option->get_items_expected_max() > 0 ? " -r" : "", single_quoted(option->get_description()));
    }
  }
  out += fmt::format(R"fish(function __flashctl_remote
    set -l current (commandline -ct)
    set -l aliases ({0})
    if string match -q '*/*' -- $current; and contains -- (string split -f1 / -- $current)/ $aliases
        set -l folder (string replace -r '/[^/]*$' / -- $current)
        flashctl --json ls $folder 2>/dev/null | {1} | string replace -r '^' -- $folder
    else
        printf '%s\n' $aliases
    end
end
complete -c flashctl -n 'not __fish_use_subcommand' -a '(__flashctl_remote)'
)fish",
                     kAliases, kKeys);
  return out;
}

}  // namespace flashstor::cli
