#include "cli/suggest.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"

namespace flashstor::cli {
namespace {

/// The option called `name` of `app` or its parents.
const CLI::Option* find_option(const CLI::App* app, const std::string& name) {
  for (; app; app = app->get_parent())
    if (const CLI::Option* option = app->get_option_no_throw(name)) return option;
  return nullptr;
}

/// By its name or another name of it: `ls` is `list`, where mc says so.
const CLI::App* find_command(const CLI::App& app, const std::string& word) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->check_name(word)) return command;
  return nullptr;
}

std::string with_nearest(std::string words, const std::string& word, const std::vector<std::string>& known) {
  if (const auto meant = nearest(word, known)) words += fmt::format("; did you mean `{}`?", *meant);
  return words;
}

std::string path_of(const CLI::App& app) {
  return app.get_parent() ? path_of(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

}  // namespace

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* level = &app; level; level = level->get_parent()) {
    for (const CLI::Option* option : level->get_options()) {
      if (level != &app && option->check_name("--help")) continue;
      for (const std::string& name : option->get_snames()) names.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

std::optional<std::string> unknown_word(const CLI::App& root, const std::vector<std::string>& words) {
  const CLI::App* app = &root;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") return std::nullopt;
    if (word.size() > 2 && word.starts_with("--")) {
      const std::string name = word.substr(0, word.find('='));
      const CLI::Option* option = find_option(app, name);
      if (!option)
        return with_nearest(fmt::format("unknown option `{}` of `{}`", name, path_of(*app)), name,
                            option_names(*app));
      if (option->get_items_expected_max() > 0 && name == word) ++i;  // Its value.
    } else if (word.size() == 2 && word[0] == '-') {
      const CLI::Option* option = find_option(app, word);
      if (!option) return fmt::format("unknown option `{}` of `{}`", word, path_of(*app));
      if (option->get_items_expected_max() > 0) ++i;
    } else if (word.size() <= 1 || word[0] != '-') {
      const std::vector<std::string> known = command_names(*app);
      if (known.empty()) continue;
      const CLI::App* command = find_command(*app, word);
      if (!command)
        return with_nearest(fmt::format("unknown command `{} {}`", path_of(*app), word), word, known);
      app = command;
    }
  }
  return std::nullopt;
}

}  // namespace flashstor::cli
