#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "cli/clock.h"
#include "cli/command_set.h"
#include "cli/interrupt.h"
#include "cli/text.h"
#include "cli/walk.h"

namespace flashstor::cli {
namespace {

struct FindOptions {
  std::string target;
  std::string name;
  std::string path;
  std::string larger, smaller;
  std::string newer, older;
  std::size_t depth = 0;
};

struct Filter {
  const FindOptions& options;
  std::uint64_t larger = 0;
  std::optional<std::uint64_t> smaller;
  std::optional<WallTime> after;
  std::optional<WallTime> before;

  static Result<Filter> of(const FindOptions& options) {
    Filter filter{options, 0, {}, {}, {}};
    const WallTime now = wall_now();
    if (!options.larger.empty()) {
      const auto bytes = parse_bytes(options.larger);
      if (!bytes) return std::unexpected(bytes.error());
      filter.larger = *bytes + 1;
    }
    if (!options.smaller.empty()) {
      const auto bytes = parse_bytes(options.smaller);
      if (!bytes) return std::unexpected(bytes.error());
      filter.smaller = *bytes;
    }
    if (!options.newer.empty()) {
      const auto age = parse_duration(options.newer);
      if (!age) return std::unexpected(age.error());
      filter.after = now - *age;
    }
    if (!options.older.empty()) {
      const auto age = parse_duration(options.older);
      if (!age) return std::unexpected(age.error());
      filter.before = now - *age;
    }
    return filter;
  }

  [[nodiscard]] bool takes(const Entry& entry) const {
    const auto depth = static_cast<std::size_t>(std::ranges::count(entry.name, '/')) + 1;
    return (options.name.empty() || glob_match(options.name, base_name(entry.name))) &&
           (options.path.empty() || glob_match(options.path, entry.name)) &&
           (options.depth == 0 || depth <= options.depth) && entry.object.size >= larger &&
           (!smaller || entry.object.size < *smaller) && (!after || entry.object.modified >= *after) &&
           (!before || entry.object.modified < *before);
  }
};

Exit find_command(Session& session, const FindOptions& options) {
  const auto target = session.any(options.target);
  if (!target) return session.fail(target.error());
  if (target->remote && target->bucket.empty()) return session.usage("ALIAS/BUCKET[/PREFIX] is wanted");
  const auto filter = Filter::of(options);
  if (!filter) return session.usage(filter.error().message());
  const auto walked = walk_tree(session, *target, [&](const Entry& entry) -> Result<bool> {
    if (filter->takes(entry)) {
      const std::string name = target->remote
                                   ? fmt::format("{}/{}/{}", target->alias, target->bucket, entry.object.key)
                                   : entry.path;
      session.output.result(printable(name),
                            Json::object({{"key", name},
                                          {"size", entry.object.size},
                                          {"lastModified", iso_extended(entry.object.modified)}}));
    }
    return !interrupted();
  });
  if (!walked) return session.fail(walked.error(), options.target);
  return session.done();
}

struct TreeOptions {
  std::string target;
  std::size_t depth = 0;
  bool folders_only = false;
};

/// A folder's children, files and folders together, by name; folders end in `/`.
struct Node {
  std::map<std::string, Node> children;
};

void insert(Node& root, std::string_view name, const TreeOptions& options) {
  Node* node = &root;
  for (std::size_t level = 1; !name.empty() && (options.depth == 0 || level <= options.depth); ++level) {
    const auto slash = name.find('/');
    const bool is_folder = slash != std::string_view::npos;
    if (!is_folder && options.folders_only) return;
    const std::string_view part = name.substr(0, is_folder ? slash + 1 : name.size());
    node = &node->children[std::string(part)];
    name.remove_prefix(part.size());
  }
}

void print_tree(Session& session, const Node& node, const std::string& indent, const std::string& path) {
  std::size_t left = node.children.size();
  for (const auto& [name, child] : node.children) {
    const bool last = --left == 0;
    session.output.result(
        indent + (last ? "└─ " : "├─ ") + printable(name),
        Json::object({{"key", path + name}, {"type", name.ends_with('/') ? "folder" : "file"}}));
    print_tree(session, child, indent + (last ? "   " : "│  "), path + name);
  }
}

Exit tree_command(Session& session, const TreeOptions& options) {
  const auto target = session.any(options.target);
  if (!target) return session.fail(target.error());
  if (target->remote && target->bucket.empty()) return session.usage("ALIAS/BUCKET[/PREFIX] is wanted");
  Node root;
  const auto walked = walk_tree(session, *target, [&](const Entry& entry) -> Result<bool> {
    insert(root, entry.name, options);
    return !interrupted();
  });
  if (!walked) return session.fail(walked.error(), options.target);
  session.output.text(options.target);
  print_tree(session, root, {}, {});
  return session.done();
}

}  // namespace

void add_find_commands(CommandSet& commands) {
  const auto find_options = std::make_shared<FindOptions>();
  CLI::App* find =
      commands.add(nullptr, "find", "Find objects by name, size and age",
                   "  flashctl find local/photos --name '*.jpg' --larger 10MiB\n"
                   "  flashctl find local/logs --older-than 90d",
                   [find_options](Session& session) { return find_command(session, *find_options); });
  find->add_option("TARGET", find_options->target, "ALIAS/BUCKET[/PREFIX] or a folder")->required();
  find->add_option("--name", find_options->name, "Pattern for the last part of the key");
  find->add_option("--path", find_options->path, "Pattern for the whole name below TARGET");
  find->add_option("--larger", find_options->larger, "More bytes than this, such as 10MiB");
  find->add_option("--smaller", find_options->smaller, "Fewer bytes than this");
  find->add_option("--newer-than", find_options->newer, "Changed within, such as 7d12h");
  find->add_option("--older-than", find_options->older, "Not changed within");
  find->add_option("--maxdepth", find_options->depth, "At most that many levels");

  const auto tree_options = std::make_shared<TreeOptions>();
  CLI::App* tree =
      commands.add(nullptr, "tree", "Show objects as a tree", "  flashctl tree --depth 2 local/photos",
                   [tree_options](Session& session) { return tree_command(session, *tree_options); });
  tree->add_option("TARGET", tree_options->target, "ALIAS/BUCKET[/PREFIX] or a folder")->required();
  tree->add_option("--depth", tree_options->depth, "At most that many levels");
  tree->add_flag("-d,--folders", tree_options->folders_only, "Folders only");
}

}  // namespace flashstor::cli
