#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <string>

#include "cli/session.h"

namespace flashstor::cli {

/// The tree of commands, each with what it does. Lives while the command line is parsed and its command runs.
class CommandSet {
 public:
  using Action = std::function<Exit(Session& session)>;
  explicit CommandSet(Session& session);
  CommandSet(const CommandSet&) = delete;
  CommandSet& operator=(const CommandSet&) = delete;

  /// A command below `parent` (nullptr: flashctl itself); `examples` stand at the end of its help.
  CLI::App* add(CLI::App* parent, const std::string& name, const std::string& description,
                const std::string& examples, Action action);
  /// A group of commands, such as `admin user`.
  CLI::App* add_group(CLI::App* parent, const std::string& name, const std::string& description);
  [[nodiscard]] CLI::App& root() { return root_; }
  [[nodiscard]] Session& session() { return session_; }
  /// Parses and runs; gives the process's exit status.
  [[nodiscard]] int run(int count, char** arguments);

 private:
  Session& session_;
  CLI::App root_;
  std::map<const CLI::App*, Action> actions_;
};

// One function a file of commands.
void add_alias_commands(CommandSet& commands);
void add_bucket_commands(CommandSet& commands);
void add_list_commands(CommandSet& commands);
void add_find_commands(CommandSet& commands);
void add_copy_commands(CommandSet& commands);
void add_stream_commands(CommandSet& commands);
void add_remove_commands(CommandSet& commands);
void add_mirror_commands(CommandSet& commands);
void add_share_commands(CommandSet& commands);
void add_tag_commands(CommandSet& commands);
void add_stat_commands(CommandSet& commands);
void add_ping_command(CommandSet& commands);
void add_mount_commands(CommandSet& commands);
void add_drive_commands(CommandSet& commands);
void add_admin_commands(CommandSet& commands);
void add_user_commands(CommandSet& commands, CLI::App* admin);
void add_policy_commands(CommandSet& commands, CLI::App* admin);
void add_trace_command(CommandSet& commands, CLI::App* admin);
void add_completion_command(CommandSet& commands);

/// All of them.
void add_all_commands(CommandSet& commands);

}  // namespace flashstor::cli
