#include <fmt/format.h>

#include <memory>

#include "cli/admin_client.h"
#include "cli/command_set.h"
#include "cli/text.h"

namespace flashstor::cli {
namespace {

// Green what is well, red what is not, yellow what is on its way; on a terminal only.
std::string coloured(const std::string& word) {
  if (!Output::on_terminal()) return word;
  const bool good = word == "online" || word == "healthy";
  const bool on_the_way = word == "filling" || word == "healing" || word == "full";
  return fmt::format("\x1b[{}m{}\x1b[0m", good ? 32 : on_the_way ? 33 : 31, word);
}

std::string drive_line(const Json& drive) {
  const std::uint64_t total = drive.uint_or("total_bytes");
  const std::uint64_t used = drive.uint_or("used_bytes");
  const std::string state = drive.string_or("state");
  std::string line =
      fmt::format("    {}{} {}  set {} drive {}  {} of {} used", coloured(state),
                  std::string(state.size() < 8 ? 8 - state.size() : 0, ' '), drive.string_or("path"),
                  drive.int_or("set"), drive.int_or("drive"), human_bytes(used), human_bytes(total));
  if (const std::string error = drive.string_or("error"); !error.empty()) line += "  " + printable(error);
  return line;
}

std::string set_line(const Json& set) {
  const std::uint64_t drives = set.uint_or("drives");
  const std::uint64_t queue = set.uint_or("heal_queue");
  const std::string state = set.bool_or("healthy")      ? "healthy"
                            : !set.bool_or("can_read")  ? "unreadable"
                            : !set.bool_or("can_write") ? "read-only"
                            : queue > 0                 ? "healing"
                                                        : "degraded";
  std::string line = fmt::format("  Set {}  {}  {} of {} drives, parity {}, writes need {}",
                                 set.int_or("set"), coloured(state), set.uint_or("online"), drives,
                                 set.int_or("parity"), set.int_or("write_quorum"));
  if (const std::string leader = set.string_or("leader_path"); !leader.empty())
    line += fmt::format(", led from {}", leader);
  if (queue > 0)
    line += fmt::format(", {} {} to be healed", counted(queue, "slice"), queue == 1 ? "waits" : "wait");
  return line + "\n";
}

std::string info_text(const Json& info) {
  std::string out = fmt::format("Flashstor {}  deployment {}  up {}\n", info.string_or("version"),
                                info.string_or("deployment_id"),
                                human_duration(std::chrono::seconds(info.int_or("uptime_s"))));
  for (const Json& node : info.get("nodes").items()) {
    out += fmt::format("  Node {}  {}\n", node.string_or("address"), coloured(node.string_or("state")));
    for (const Json& drive : node.get("drives").items()) out += drive_line(drive) + "\n";
  }
  bool spare = true;
  for (const Json& set : info.get("sets").items()) {
    out += set_line(set);
    spare = spare && set.bool_or("can_spare_this_node");
  }
  if (info.get("nodes").size() > 1)
    out += spare ? "  The node asked may go down now\n" : "  The node asked must not go down now\n";
  if (info.get("buckets").is_number()) out += "  " + counted(info.uint_or("buckets"), "bucket");
  return out;
}

Exit info_command(Session& session, const std::string& alias) {
  const auto client = session.client(alias);
  if (!client) return session.fail(client.error());
  const auto info = admin_call(**client, "GET", "info");
  if (!info) return session.fail(info.error(), alias);
  session.output.result(info_text(*info), *info);
  return Exit::kOk;
}

std::string heal_text(const Json& heal) {
  std::string out =
      fmt::format("{}: {} waiting, {} healed, {} failed, {} rewritten, {}/s",
                  heal.bool_or("active") ? "Healing" : "Idle", counted(heal.uint_or("queue"), "slice"),
                  heal.uint_or("healed"), heal.uint_or("failed"), human_bytes(heal.uint_or("bytes_healed")),
                  human_bytes(static_cast<std::uint64_t>(heal.double_or("rate_bytes_s"))));
  if (heal.bool_or("active") && heal.double_or("eta_s") > 0)
    out +=
        fmt::format(", {} left",
                    human_duration(std::chrono::seconds(static_cast<std::int64_t>(heal.double_or("eta_s")))));
  if (heal.uint_or("filling_drives") > 0) {
    out += fmt::format("\nFilling {}: {}, about {}%, {}/s", counted(heal.uint_or("filling_drives"), "drive"),
                       counted(heal.uint_or("filled_rows"), "row"), heal.uint_or("fill_percent"),
                       counted(heal.uint_or("fill_rows_s"), "row"));
    if (heal.uint_or("fill_eta_s") > 0)
      out += fmt::format(", {} left", human_duration(std::chrono::seconds(heal.int_or("fill_eta_s"))));
  }
  if (const std::uint64_t waiting = heal.uint_or("waiting_drives"); waiting > 0)
    out += fmt::format("\n{} {} to be filled", counted(waiting, "drive"), waiting == 1 ? "waits" : "wait");
  out += fmt::format("\nScanner: {}, {} slices looked at, {} lacked a shard, {} passes",
                     !heal.bool_or("scanning")   ? "idle"
                     : heal.bool_or("scan_deep") ? "reading all contents"
                                                 : "comparing drives",
                     heal.uint_or("scanned"), heal.uint_or("scan_found"), heal.uint_or("scans"));
  return out;
}

struct HealOptions {
  std::string alias;
  bool scan = false;
  bool deep = false;
};

Exit heal_command(Session& session, const HealOptions& options) {
  const auto client = session.client(options.alias);
  if (!client) return session.fail(client.error());
  const bool begin = options.scan || options.deep;
  const Json depth = Json::object({{"depth", options.deep ? "deep" : "rows"}});
  const auto heal =
      begin ? admin_call(**client, "POST", "heal/scan", depth) : admin_call(**client, "GET", "heal");
  if (!heal) return session.fail(heal.error(), options.alias);
  session.output.result(heal_text(*heal), *heal);
  return Exit::kOk;
}

struct RecoverOptions {
  std::string alias;
  unsigned set = 1;
  bool yes = false;
  bool accept_loss = false;
};

std::string recover_text(const Json& done) {
  std::string out = fmt::format("Set {} goes on with {} drives in generation {}; {} were declared lost.",
                                done.uint_or("set"), done.uint_or("standing"), done.uint_or("generation"),
                                done.uint_or("lost"));
  out += done.bool_or("whole") ? "\nNothing that was acknowledged is missing from its rows."
                               : "\nWhat only the lost drives acknowledged may be missing.";
  out +=
      "\nPut empty drives in the place of the lost ones: they are filled. A lost one that comes back is "
      "filled too.";
  return out;
}

Exit recover_command(Session& session, const RecoverOptions& options) {
  if (!options.yes)
    return session.fail(Error(ErrorCode::kInvalidArgument,
                              "this declares every drive of the set that does not stand lost for good; be "
                              "sure that they are, and say --yes"));
  const auto client = session.client(options.alias);
  if (!client) return session.fail(client.error());
  const auto done = admin_call(**client, "POST", "set/recover",
                               Json::object({{"set", options.set}, {"accept_loss", options.accept_loss}}));
  if (!done) return session.fail(done.error(), options.alias);
  session.output.result(recover_text(*done), *done);
  return Exit::kOk;
}

void add_recover_command(CommandSet& commands, CLI::App* admin) {
  CLI::App* set = commands.add_group(admin, "set", "A set that cannot help itself");
  const auto options = std::make_shared<RecoverOptions>();
  CLI::App* command = commands.add(
      set, "recover", "Go on with the drives that stand when a majority of a set is lost for good",
      "  flashctl admin set recover --yes local 1",
      [options](Session& session) { return recover_command(session, *options); });
  command->add_option("ALIAS", options->alias, "Which")->required();
  command->add_option("SET", options->set, "Number of the set, as admin info shows it")->required();
  command->add_flag("--yes", options->yes, "The drives that do not stand are lost for good");
  command->add_flag("--accept-loss", options->accept_loss,
                    "Also when what only they acknowledged may be missing");
}

}  // namespace

void add_admin_commands(CommandSet& commands) {
  CLI::App* admin = commands.add_group(nullptr, "admin", "Nodes, drives, users and policies");
  const auto alias = std::make_shared<std::string>();
  commands
      .add(admin, "info", "Nodes, drives and sets with their state", "  flashctl admin info local",
           [alias](Session& session) { return info_command(session, *alias); })
      ->add_option("ALIAS", *alias, "Which")
      ->required();
  const auto heal = std::make_shared<HealOptions>();
  CLI::App* command = commands.add(admin, "heal", "How far healing is",
                                   "  flashctl admin heal local\n  flashctl admin heal --deep local",
                                   [heal](Session& session) { return heal_command(session, *heal); });
  command->add_option("ALIAS", heal->alias, "Which")->required();
  command->add_flag("--scan", heal->scan, "Compare what all drives hold, now");
  command->add_flag("--deep", heal->deep, "Read and verify all that they hold, now");
  add_recover_command(commands, admin);
  add_user_commands(commands, admin);
  add_policy_commands(commands, admin);
  add_trace_command(commands, admin);
}

}  // namespace flashstor::cli
