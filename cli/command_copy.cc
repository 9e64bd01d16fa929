#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "cli/command_set.h"
#include "cli/interrupt.h"
#include "cli/local_file.h"
#include "cli/put_arguments.h"
#include "cli/transfer_run.h"

namespace flashstor::cli {
namespace {

struct CopyOptions {
  std::vector<std::string> paths;  ///< Sources, then the target.
  std::string version_id;
  bool recursive = false;
  bool preserve = false;
  PutArguments put;
};

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

bool names_folder(const Target& target) {
  if (target.remote) return target.key.empty() || target.key.ends_with('/');
  return target.path.ends_with('/') || is_folder(target.path);
}

/// `to` with `name` below it. Errors: a key that cannot be a local path.
Result<Target> below(const Target& to, const std::string& name) {
  Target target = to;
  if (to.remote) {
    target.key = folder_prefix(to.key) + name;
    return target;
  }
  auto path = path_below(to.path, name);
  if (!path) return std::unexpected(path.error());
  target.path = std::move(*path);
  return target;
}

/// One file or object to exactly one place.
Result<void> copy_one(Session& session, TransferRun& run, const Target& from, const Target& to,
                      const CopyOptions& options, bool into_folder) {
  Entry entry;
  if (from.remote) {
    const auto client = session.client(from.alias);
    if (!client) return std::unexpected(client.error());
    if (from.key.empty() || from.key.ends_with('/'))
      return fail(ErrorCode::kInvalidArgument, "it is a folder: add -r to copy all that is in it");
    auto info = (*client)->head_object(from.bucket, from.key, options.version_id);
    if (!info) return std::unexpected(info.error());
    entry.object = std::move(*info);
    entry.object.version_id = options.version_id;
    entry.name = base_name(from.key);
  } else {
    if (is_folder(from.path))
      return fail(ErrorCode::kInvalidArgument, "it is a folder: add -r to copy all that is in it");
    const auto walked = walk_files(session.output, from.path, [&](const Entry& found) -> Result<bool> {
      entry = found;
      return true;
    });
    if (!walked) return walked;
  }
  const auto target = into_folder ? below(to, entry.name) : Result<Target>(to);
  if (!target) return std::unexpected(target.error());
  run.add(from, entry, *target);
  return {};
}

/// A whole tree; as with rsync, SOURCE/ means what is in it and SOURCE the folder itself.
Result<void> copy_tree(Session& session, TransferRun& run, const Target& from, const Target& to) {
  const std::string name =
      from.remote && from.key.empty() ? from.bucket : base_name(from.remote ? from.key : from.path);
  const bool contents = from.text.ends_with('/') || name == "." || name == "..";
  const std::string prefix = contents ? std::string() : name + "/";
  bool found = false;
  auto walked = walk_tree(session, from, [&](const Entry& entry) -> Result<bool> {
    found = true;
    const std::string relative = prefix + entry.name;
    if (!to.remote && relative.ends_with('/')) {  // A folder's marker.
      const auto folder = path_below(to.path, relative);
      const auto made = folder ? make_folders(*folder) : std::unexpected(folder.error());
      if (!made) session.fail(made.error(), entry.object.key);
      return true;
    }
    const auto target = below(to, relative);
    if (target) {
      run.add(from, entry, *target);
    } else {
      session.fail(target.error());
    }
    return !interrupted();
  });
  if (walked && !found && from.remote) return fail(ErrorCode::kNoSuchKey, "nothing is there");
  return walked;
}

Exit copy_command(Session& session, const CopyOptions& options, bool move) {
  if (options.paths.size() < 2) return session.usage("a source and a target are wanted");
  const auto to = session.any(options.paths.back());
  if (!to) return session.fail(to.error());
  if (to->remote && to->bucket.empty()) return session.usage("the target needs a bucket: ALIAS/BUCKET[/KEY]");
  auto put = options.put.options();
  if (!put) return session.usage(put.error().message());
  const bool many = options.paths.size() > 2;
  if (many && !to->remote && !is_folder(to->path))
    return session.usage("with several sources the target must be a folder");
  TransferRun::Settings settings{{std::move(*put), options.put.given(), options.preserve}, move};
  TransferRun run(session, std::move(settings));
  for (std::size_t i = 0; i + 1 < options.paths.size(); ++i) {
    const std::string& text = options.paths[i];
    const auto from = session.any(text);
    if (!from) return session.fail(from.error());
    if (from->remote && from->bucket.empty())
      return session.usage("the source needs a bucket: ALIAS/BUCKET[/KEY]");
    const bool tree = options.recursive && (from->remote || is_folder(from->path));
    auto started = tree ? copy_tree(session, run, *from, *to)
                        : copy_one(session, run, *from, *to, options, many || names_folder(*to));
    if (!started) session.fail(started.error(), text);
  }
  run.finish();
  return session.done();
}

}  // namespace

void add_copy_commands(CommandSet& commands) {
  const auto add = [&](const char* name, const char* description, const char* examples, bool move) {
    const auto options = std::make_shared<CopyOptions>();
    CLI::App* command = commands.add(nullptr, name, description, examples, [options, move](Session& session) {
      return copy_command(session, *options, move);
    });
    command->add_option("SOURCE… TARGET", options->paths, "Files, folders or ALIAS/BUCKET[/KEY]")->required();
    command->add_flag("-r,--recursive", options->recursive, "Whole folders; SOURCE/ means what is in SOURCE");
    command->add_flag("-a,--preserve", options->preserve, "Give downloaded files the object's time");
    command->add_option("--version-id", options->version_id, "This version of the source");
    options->put.add_to(*command);
  };
  add("cp", "Copy files and objects",
      "  flashctl cp cat.jpg local/photos/\n"
      "  flashctl cp -r holiday/ local/photos/2026/\n"
      "  flashctl cp -r local/photos/2026/ /tmp/2026\n"
      "  flashctl cp local/photos/cat.jpg aws/backup/cat.jpg",
      false);
  add("mv", "Move files and objects: copy, then delete the source",
      "  flashctl mv local/photos/cat.jpg local/archive/\n"
      "  flashctl mv -r local/photos/2020/ local/archive/2020/",
      true);
}

}  // namespace flashstor::cli
