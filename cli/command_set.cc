#include "cli/command_set.h"

#include <fmt/format.h>

#include "cli/suggest.h"

namespace flashstor::cli {
namespace {

constexpr const char* kVersion = "flashctl 0.1.0";

std::string footer_of(const std::string& examples) {
  return examples.empty() ? std::string() : "Examples:\n" + examples;
}

}  // namespace

CommandSet::CommandSet(Session& session)
    : session_(session),
      root_("Flashstor's command line: objects, buckets, mounts and administration", "flashctl") {
  GlobalOptions& options = session.options;
  root_.require_subcommand(1);
  root_.fallthrough();
  root_.set_version_flag("--version", kVersion);
  root_.add_flag("--json", options.json, "One JSON object a line");
  root_.add_flag("-q,--quiet", options.quiet, "No progress bar, no notes");
  root_.add_flag("--debug", options.debug, "Show each request on standard error");
  root_.add_flag("--insecure", options.insecure, "Do not check the server's TLS certificate");
  root_.add_option("--parallel", options.transfers, "Transfers at the same time")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, limits::kMaxTransfers));
  root_.add_option("--config-dir", options.config_folder, "Folder of config.json");
  root_.footer(
      "Examples:\n"
      "  flashctl alias set local http://127.0.0.1:9000 KEY SECRET\n"
      "  flashctl mb local/photos\n"
      "  flashctl cp -r holiday/ local/photos/2026/\n"
      "  flashctl mount local/photos /mnt/photos\n"
      "`flashctl COMMAND --help` explains one command.");
}

CLI::App* CommandSet::add(CLI::App* parent, const std::string& name, const std::string& description,
                          const std::string& examples, Action action) {
  CLI::App* command = (parent ? parent : &root_)->add_subcommand(name, description);
  command->footer(footer_of(examples));
  actions_[command] = std::move(action);
  return command;
}

CLI::App* CommandSet::add_group(CLI::App* parent, const std::string& name, const std::string& description) {
  CLI::App* group = (parent ? parent : &root_)->add_subcommand(name, description);
  group->require_subcommand(1);
  group->footer(fmt::format("`flashctl {}{} COMMAND --help` explains one command.",
                            parent ? parent->get_name() + " " : std::string(), name));
  return group;
}

int CommandSet::run(int count, char** arguments) {
  const std::vector<std::string> words(arguments + std::min(count, 1), arguments + count);
  if (const auto wrong = unknown_word(root_, words)) {
    fmt::print(stderr, "flashctl: {}\n", *wrong);
    return static_cast<int>(Exit::kUsage);
  }
  try {
    root_.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return root_.exit(error);  // --help and --version.
    fmt::print(stderr, "flashctl: {}\n", error.what());
    return static_cast<int>(Exit::kUsage);
  }
  session_.output.set_json(session_.options.json);
  session_.output.set_quiet(session_.options.quiet);
  const CLI::App* chosen = &root_;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  return static_cast<int>(actions_.at(chosen)(session_));
}

void add_all_commands(CommandSet& commands) {
  add_alias_commands(commands);
  add_bucket_commands(commands);
  add_list_commands(commands);
  add_find_commands(commands);
  add_copy_commands(commands);
  add_mirror_commands(commands);
  add_remove_commands(commands);
  add_stream_commands(commands);
  add_stat_commands(commands);
  add_share_commands(commands);
  add_tag_commands(commands);
  add_mount_commands(commands);
  add_ping_command(commands);
  add_admin_commands(commands);
  add_drive_commands(commands);
  add_completion_command(commands);
}

}  // namespace flashstor::cli
