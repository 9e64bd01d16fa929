#include "s3d/node/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <variant>

#include "engine/base/json.h"
#include "engine/base/limits.h"
#include "engine/cluster/spread.h"
#include "engine/cluster/topology.h"
#include "s3d/node/limits.h"

namespace flashstor::s3d {
namespace {

using Place = std::variant<std::string NodeOptions::*, std::vector<std::string> NodeOptions::*,
                           std::size_t NodeOptions::*, bool NodeOptions::*>;
struct Row {
  std::string_view name;
  std::string_view value;  ///< What it takes, for the help.
  std::string_view help;
  Place place;
  bool on_command_line = true;  ///< Secrets are not: everybody can see a process's arguments.
};

const Row kRows[] = {
    {"address", "HOST:PORT", "Where to listen (default 0.0.0.0:9000)", &NodeOptions::address},
    {"certs-dir", "DIR", "TLS with public.crt and private.key of this directory", &NodeOptions::certs_dir},
    {"mount", "BUCKET=DIR", "Mount a bucket in this process; may be repeated", &NodeOptions::mounts},
    {"config", "FILE.json", "Options in a JSON object", &NodeOptions::config_file},
    {"domain", "NAME", "Also serve BUCKET.NAME; may be repeated", &NodeOptions::domains},
    {"gateway", "", "A node without drives: all are on the nodes that are named", &NodeOptions::gateway},
    {"region", "NAME", "The only region that requests may be signed for (default: any)",
     &NodeOptions::region},
    {"loops", "N", "Event loops (default: one a core, at most 8)", &NodeOptions::loops},
    {"parity", "N", "Parity shards of STANDARD, at most half of a set (default: by its drives)",
     &NodeOptions::parity},
    {"memory", "MIB", "Memory for caches and write buffers, all drives together (default 128)",
     &NodeOptions::memory_mib},
    {"socket", "PATH", "Unix socket for mounts and local tools", &NodeOptions::socket},
    {"log-file", "FILE", "The log instead of standard error", &NodeOptions::log_file},
    {"log-level", "LEVEL", "debug, info, warning or error (default info)", &NodeOptions::log_level},
    {"access-log", "FILE", "A line of JSON for each request; - for standard error", &NodeOptions::access_log},
    {"public-metrics", "", "Give /flashstor/metrics to everybody", &NodeOptions::public_metrics},
    {"cluster-secret-file", "FILE", "The secret that the nodes of one store share",
     &NodeOptions::cluster_secret_file},
    {"cluster-secret", "", "", &NodeOptions::cluster_secret, false},
    {"root-user", "", "", &NodeOptions::root_user, false},
    {"root-password", "", "", &NodeOptions::root_password, false},
    {"previous-root-user", "", "", &NodeOptions::previous_root_user, false},
    {"previous-root-password", "", "", &NodeOptions::previous_root_password, false},
    {"drives", "", "", &NodeOptions::drives, false},
};

std::string variable_of(std::string_view name) {
  std::string variable = "FLASHSTORE_";
  for (const char byte : name)
    variable.push_back(byte == '-' ? '_' : static_cast<char>(byte >= 'a' && byte <= 'z' ? byte - 32 : byte));
  return variable;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const auto end = text.find(separator);
    if (end != 0) pieces.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return pieces;
}

/// Puts values where they belong. `source` names where they come from, for the words of an error.
Result<void> apply(const Row& row, const std::vector<std::string>& values, const std::string& source,
                   NodeOptions& options) {
  const std::string last = values.empty() ? std::string() : values.back();
  if (const auto* text = std::get_if<std::string NodeOptions::*>(&row.place)) {
    options.*(*text) = last;
    return {};
  }
  if (const auto* list = std::get_if<std::vector<std::string> NodeOptions::*>(&row.place)) {
    options.*(*list) = values;
    return {};
  }
  if (const auto* number = std::get_if<std::size_t NodeOptions::*>(&row.place)) {
    const auto [at, problem] = std::from_chars(last.data(), last.data() + last.size(), options.*(*number));
    if (problem != std::errc() || at != last.data() + last.size())
      return fail(ErrorCode::kInvalidArgument, source + ": \"" + last + "\" is not a number");
    if (*number == &NodeOptions::parity && options.parity > flashstor::limits::kMaxDrivesPerSet / 2)
      return fail(ErrorCode::kInvalidArgument, source + ": parity is at most half of a set, so at most " +
                                                   std::to_string(flashstor::limits::kMaxDrivesPerSet / 2));
    return {};
  }
  const bool on = last == "true" || last == "on" || last == "1" || last == "yes";
  if (!on && last != "false" && last != "off" && last != "0" && last != "no")
    return fail(ErrorCode::kInvalidArgument, source + ": \"" + last + "\" is neither on nor off");
  options.*std::get<bool NodeOptions::*>(row.place) = on;
  return {};
}

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);
  return names;
}

Error unknown_option(const std::string& what, const std::string& dashes, std::string_view name) {
  std::string words = "unknown " + what + " \"" + dashes + std::string(name) + "\"";
  const auto names = known_names();
  if (const auto near = nearest_word(name, names); !near.empty())
    words.append("; did you mean \"" + dashes).append(near).append("\"?");
  return Error(ErrorCode::kInvalidArgument, words);
}

Result<std::vector<std::string>> json_values(const Json& value, const std::string& source) {
  std::vector<std::string> values;
  if (const auto* text = value.as_string()) {
    values.push_back(*text);
  } else if (const auto number = value.as_uint()) {
    values.push_back(std::to_string(*number));
  } else if (const auto flag = value.as_bool()) {
    values.emplace_back(*flag ? "true" : "false");
  } else if (value.is_array()) {
    for (const Json& item : value.items()) {
      if (item.as_string() == nullptr)
        return fail(ErrorCode::kInvalidArgument, source + ": not a list of texts");
      values.push_back(*item.as_string());
    }
  } else {
    return fail(ErrorCode::kInvalidArgument, source + ": neither a text, a number, a truth value nor a list");
  }
  return values;
}

using Given = std::map<std::string, std::vector<std::string>, std::less<>>;

Result<Given> read_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::kInvalidArgument, "config file " + path + " cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  const auto document = Json::parse(text.view(), {.bytes = node_limits::kMaxConfigBytes});
  if (!document || !document->is_object())
    return fail(ErrorCode::kInvalidArgument,
                "config file " + path + " is not a JSON object" +
                    (document ? "" : ": " + std::string(document.error().message())));
  Given given;
  const auto names = known_names();
  for (const JsonMember& member : document->members()) {
    std::string name = member.name;
    std::ranges::replace(name, '_', '-');
    if (std::ranges::find(names, name) == names.end())
      return std::unexpected(unknown_option("option in " + path, "", name));
    auto values = json_values(member.value, path + ", " + member.name);
    if (!values) return std::unexpected(values.error());
    given[name] = std::move(*values);
  }
  return given;
}

struct CommandLine {
  Given given;
  std::vector<std::string> drives;
  std::string print;
};

Result<CommandLine> read_command_line(std::span<const char* const> arguments) {
  CommandLine line;
  CLI::App app("Flashstor: an erasure-coded object store that speaks S3 and mounts as a directory.",
               "flashstor-s3d");
  app.allow_extras();
  app.footer(
      "Every option may also be given as FLASHSTORE_<OPTION>. The root credentials come from\n"
      "FLASHSTORE_ROOT_USER and FLASHSTORE_ROOT_PASSWORD or the config file; after a change the old ones "
      "are\n"
      "given once as FLASHSTORE_PREVIOUS_ROOT_USER and FLASHSTORE_PREVIOUS_ROOT_PASSWORD.");
  app.set_version_flag("--version", "flashstor-s3d 0.1.0");
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::map<std::string, CLI::Option*, std::less<>> made;
  for (const Row& row : kRows) {
    if (!row.on_command_line) continue;
    const std::string flag = "--" + std::string(row.name);
    const std::string help(row.help);
    if (std::holds_alternative<bool NodeOptions::*>(row.place)) {
      made[std::string(row.name)] = app.add_flag(flag, help);
    } else {
      made[std::string(row.name)] = app.add_option(flag, values[std::string(row.name)], help)
                                        ->expected(1)
                                        ->allow_extra_args(false)
                                        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
                                        ->type_name(std::string(row.value));
    }
  }
  app.add_option("DRIVE", line.drives,
                 "Directories, one a drive; /data{1...4} stands for four,\n"
                 "http://node{1...4}:9000/data{1...4} for four on each of four nodes")
      ->type_name("");
  try {
    app.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const CLI::CallForHelp&) {
    line.print = app.help();
    return line;
  } catch (const CLI::CallForVersion&) {
    line.print = app.version() + "\n";
    return line;
  } catch (const CLI::ParseError& problem) {
    return fail(ErrorCode::kInvalidArgument, problem.what());
  }
  for (const std::string& extra : app.remaining()) {
    if (!extra.starts_with('-')) continue;
    std::string_view name = extra;
    name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
    return std::unexpected(
        unknown_option("option", extra.starts_with("--") ? "--" : "-", name.substr(0, name.find('='))));
  }
  for (const auto& [name, option] : made) {
    if (option->count() == 0) continue;
    line.given[name] = values.contains(name) ? values[name] : std::vector<std::string>{"true"};
  }
  if (!line.drives.empty()) line.given["drives"] = line.drives;
  return line;
}

Result<void> apply_all(NodeOptions& options, const Given& line, const Environment& environment,
                       const Given& config) {
  for (const Row& row : kRows) {
    const bool is_list = std::holds_alternative<std::vector<std::string> NodeOptions::*>(row.place);
    Result<void> applied;
    if (const auto at = line.find(row.name); at != line.end()) {
      applied = apply(row, at->second, "--" + std::string(row.name), options);
    } else if (const auto variable = environment(variable_of(row.name))) {
      const auto values =
          is_list ? split(*variable, row.name == "drives" ? ' ' : ',') : std::vector<std::string>{*variable};
      applied = apply(row, values, variable_of(row.name), options);
    } else if (const auto set = config.find(row.name); set != config.end()) {
      applied = apply(row, set->second, std::string(row.name), options);
    }
    if (!applied) return applied;
  }
  return {};
}

// A store of several nodes does not start without its secret.
Result<void> take_secret(NodeOptions& options) {
  if (!options.cluster_secret_file.empty()) {
    std::ifstream file(options.cluster_secret_file, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    if (!file)
      return fail(ErrorCode::kInvalidArgument,
                  "the cluster secret file " + options.cluster_secret_file + " cannot be read");
    options.cluster_secret = text.str();
    while (!options.cluster_secret.empty() &&
           std::strchr("\r\n \t", options.cluster_secret.back()) != nullptr)
      options.cluster_secret.pop_back();
  }
  if (!options.several_nodes) return {};
  if (options.cluster_secret.size() < node_limits::kMinClusterSecretBytes)
    return fail(ErrorCode::kInvalidArgument,
                "a store of several nodes needs their common secret of at least 16 characters: "
                "FLASHSTORE_CLUSTER_SECRET or --cluster-secret-file, the same on every node");
  const bool tls = options.drives.front().starts_with("https://");
  if (tls && options.certs_dir.empty())
    return fail(ErrorCode::kInvalidArgument, "nodes named https:// need --certs-dir with their certificates");
  if (!tls && !options.certs_dir.empty())
    return fail(ErrorCode::kInvalidArgument, "with --certs-dir the nodes are to be named https://");
  return {};
}

Result<void> check_values(NodeOptions& options) {
  if (options.drives.empty())
    return fail(ErrorCode::kInvalidArgument, "no drives given: flashstor-s3d [OPTIONS] DRIVE...");
  options.several_nodes = cluster::names_nodes(options.drives);
  auto drives =
      options.several_nodes ? cluster::expand_names(options.drives) : cluster::expand_drives(options.drives);
  if (!drives) return std::unexpected(drives.error());
  options.drives = std::move(*drives);
  if (auto secret = take_secret(options); !secret) return secret;
  if (options.gateway && !options.several_nodes)
    return fail(ErrorCode::kInvalidArgument,
                "--gateway takes the drives of other nodes: http://HOST:PORT/PATH");
  if (options.loops > node_limits::kMaxLoops) return fail(ErrorCode::kInvalidArgument, "too many loops");
  if (options.memory_mib < node_limits::kMinMemoryMib || options.memory_mib > node_limits::kMaxMemoryMib)
    return fail(ErrorCode::kInvalidArgument, "--memory takes " + std::to_string(node_limits::kMinMemoryMib) +
                                                 " to " + std::to_string(node_limits::kMaxMemoryMib) +
                                                 " MiB");
  for (const std::string& mount : options.mounts)
    if (mount.find('=') == std::string::npos || mount.starts_with('=') || mount.ends_with('='))
      return fail(ErrorCode::kInvalidArgument, "--mount \"" + mount + "\" is not BUCKET=DIR");
  for (const std::string_view level : {"debug", "info", "warning", "error"})
    if (options.log_level == level) return {};
  return fail(ErrorCode::kInvalidArgument, "unknown log level \"" + options.log_level + "\"");
}

}  // namespace

std::vector<std::string> misspelt_variables(std::span<const char* const> environment) {
  // Of flashctl, and of the tools around both.
  constexpr std::string_view kOthers[] = {"FLASHSTORE_HOST_", "FLASHSTORE_CONFIG_DIR", "FLASHSTORE_CA_FILE"};
  std::vector<std::string> known;
  for (const Row& row : kRows) known.push_back(variable_of(row.name));
  std::vector<std::string> words;
  for (const std::string_view entry : environment) {
    const std::string name(entry.substr(0, entry.find('=')));
    if (std::ranges::find(known, name) != known.end()) continue;
    if (std::ranges::any_of(kOthers, [&](std::string_view other) { return name.starts_with(other); }))
      continue;
    const bool without_e = name.starts_with("FLASHSTOR_") &&
                           std::ranges::find(known, "FLASHSTORE_" + name.substr(10)) != known.end();
    if (!without_e && !name.starts_with("FLASHSTORE_")) continue;
    std::string text = name + " is set and is no option";
    if (const auto near = nearest_word(name, known); !near.empty())
      text.append("; did you mean ").append(near).append("?");
    words.push_back(std::move(text));
  }
  return words;
}

Result<ParsedOptions> parse_options(std::span<const char* const> arguments, const Environment& environment) {
  auto line = read_command_line(arguments);
  if (!line) return std::unexpected(line.error());
  ParsedOptions parsed{.options = {}, .print = std::move(line->print)};
  if (!parsed.print.empty()) return parsed;
  std::string config_file = environment("FLASHSTORE_CONFIG").value_or("");
  if (const auto at = line->given.find("config"); at != line->given.end()) config_file = at->second.back();
  Given config;
  if (!config_file.empty()) {
    auto read = read_config(config_file);
    if (!read) return std::unexpected(read.error());
    config = std::move(*read);
  }
  if (auto applied = apply_all(parsed.options, line->given, environment, config); !applied)
    return std::unexpected(applied.error());
  if (auto checked = check_values(parsed.options); !checked) return std::unexpected(checked.error());
  return parsed;
}

}  // namespace flashstor::s3d
