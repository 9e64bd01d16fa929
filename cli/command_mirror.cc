#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <memory>

#include "cli/command_set.h"
#include "cli/compare.h"
#include "cli/interrupt.h"
#include "cli/put_arguments.h"
#include "cli/remove.h"
#include "cli/text.h"
#include "cli/transfer_run.h"

namespace flashstor::cli {
namespace {

struct MirrorOptions {
  std::string source;
  std::string target;
  bool remove = false;
  bool dry_run = false;
  bool overwrite = false;
  std::vector<std::string> exclude;
  PutArguments put;
};

/// Deletes what the target has and the source has not.
class Remover {
 public:
  Remover(Session& session, const Target& target) : session_(session), target_(target) {}
  Result<void> remove(const Entry& entry) {
    if (!target_.remote) {
      std::error_code error;
      std::filesystem::remove(entry.path, error);
      if (error) return std::unexpected(base::errno_error(error.value(), "remove", entry.path));
      report(entry.path);
      return {};
    }
    if (!batch_) {
      const auto client = session_.client(target_.alias);
      if (!client) return std::unexpected(client.error());
      batch_ =
          std::make_unique<BatchDelete>(session_, **client, target_.bucket, [this](const DeleteTarget& gone) {
            report(fmt::format("{}/{}/{}", target_.alias, target_.bucket, gone.key));
          });
    }
    return batch_->add({entry.object.key, {}});
  }
  Result<void> finish() { return batch_ ? batch_->finish() : Result<void>(); }

 private:
  void report(const std::string& name) {
    session_.output.result(fmt::format("Deleted `{}`.", printable(name)), Json::object({{"deleted", name}}));
  }
  Session& session_;
  const Target& target_;
  std::unique_ptr<BatchDelete> batch_;
};

bool excluded(const MirrorOptions& options, const std::string& name) {
  for (const std::string& pattern : options.exclude)
    if (glob_match(pattern, name) || glob_match(pattern, base_name(name))) return true;
  return false;
}

void say_plan(Session& session, const std::string& what, const std::string& name) {
  session.output.result(fmt::format("Would {} `{}`", what, printable(name)),
                        Json::object({{"dryRun", true}, {"action", what}, {"name", name}}));
}

Result<Target> place_of(const Target& root, const std::string& name) {
  Target place = root;
  if (root.remote) {
    place.key = folder_prefix(root.key) + name;
    return place;
  }
  auto path = path_below(root.path, name);
  if (!path) return std::unexpected(path.error());
  place.path = std::move(*path);
  return place;
}

/// Copies what is new or changed; gives what must not be overwritten without --overwrite as failures.
void copy_changes(Session& session, TransferRun& run, const Target& from, const Target& to,
                  const MirrorOptions& options, const std::vector<Difference>& differences) {
  for (const Difference& difference : differences) {
    if (interrupted()) return;
    if (difference.kind == Difference::Kind::kOnlySecond || excluded(options, difference.name)) continue;
    if (difference.kind != Difference::Kind::kOnlyFirst && !options.overwrite) {
      session.output.failure(to.child(difference.name),
                             {ErrorCode::kExists, "it differs: add --overwrite to replace it"});
      continue;
    }
    if (options.dry_run) {
      say_plan(session, "copy", difference.name);
      continue;
    }
    if (!to.remote && difference.name.ends_with('/')) continue;  // A folder's marker.
    const auto place = place_of(to, difference.name);
    if (place) {
      run.add(from, *difference.first, *place);
    } else {
      session.fail(place.error());
    }
  }
}

Result<void> remove_extras(Session& session, const Target& to, const MirrorOptions& options,
                           const std::vector<Difference>& differences) {
  Remover remover(session, to);
  for (const Difference& difference : differences) {
    if (interrupted()) return fail(ErrorCode::kCancelled, "interrupted");
    if (difference.kind != Difference::Kind::kOnlySecond || excluded(options, difference.name)) continue;
    if (options.dry_run) {
      say_plan(session, "delete", difference.name);
    } else if (auto removed = remover.remove(*difference.second); !removed) {
      return removed;
    }
  }
  return remover.finish();
}

Exit mirror_command(Session& session, const MirrorOptions& options) {
  const auto from = session.any(options.source);
  const auto to = session.any(options.target);
  if (!from || !to) return session.fail(from ? to.error() : from.error());
  if (!from->remote && !to->remote)
    return session.usage("one side must be in a store: ALIAS/BUCKET[/PREFIX]");
  if ((from->remote && from->bucket.empty()) || (to->remote && to->bucket.empty()))
    return session.usage("ALIAS/BUCKET[/PREFIX] is wanted");
  auto put = options.put.options();
  if (!put) return session.usage(put.error().message());
  const auto differences = compare_trees(session, *from, *to);
  if (!differences) return session.fail(differences.error());
  {
    TransferRun run(session, {{std::move(*put), options.put.given(), false}, false});
    copy_changes(session, run, *from, *to, options, *differences);
    run.finish();
  }
  if (!options.remove) return session.done();
  if (session.output.failed())
    return session.fail(
        {ErrorCode::kConflict, "nothing was deleted at the target, because not all was copied"});
  const auto removed = remove_extras(session, *to, options, *differences);
  return removed ? session.done() : session.fail(removed.error(), options.target);
}

struct DiffOptions {
  std::string first;
  std::string second;
};

const char* mark_of(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::kOnlyFirst:
      return "<";
    case Difference::Kind::kOnlySecond:
      return ">";
    case Difference::Kind::kSize:
    case Difference::Kind::kNewer:
      return "!";
  }
  return "?";
}

Exit diff_command(Session& session, const DiffOptions& options) {
  const auto first = session.any(options.first);
  const auto second = session.any(options.second);
  if (!first || !second) return session.fail(first ? second.error() : first.error());
  if ((first->remote && first->bucket.empty()) || (second->remote && second->bucket.empty()))
    return session.usage("ALIAS/BUCKET[/PREFIX] is wanted");
  const auto differences = compare_trees(session, *first, *second);
  if (!differences) return session.fail(differences.error());
  bool differ = false;
  for (const Difference& difference : *differences) {
    if (difference.kind == Difference::Kind::kNewer) continue;  // Times of copies always differ.
    differ = true;
    session.output.result(
        fmt::format("{} {}", mark_of(difference.kind), printable(difference.name)),
        Json::object({{"name", difference.name}, {"difference", name_of(difference.kind)}}));
  }
  return differ ? Exit::kFailed : session.done();
}

}  // namespace

void add_mirror_commands(CommandSet& commands) {
  const auto options = std::make_shared<MirrorOptions>();
  CLI::App* mirror = commands.add(nullptr, "mirror", "Make a folder or bucket like another one",
                                  "  flashctl mirror photos local/photos\n"
                                  "  flashctl mirror --overwrite --remove local/photos /backup/photos\n"
                                  "  flashctl mirror --dry-run --remove local/photos aws/photos",
                                  [options](Session& session) { return mirror_command(session, *options); });
  mirror->add_option("SOURCE", options->source, "Folder or ALIAS/BUCKET[/PREFIX]")->required();
  mirror->add_option("TARGET", options->target, "Folder or ALIAS/BUCKET[/PREFIX]")->required();
  mirror->add_flag("--overwrite", options->overwrite,
                   "Replace what differs in size or is older than the source");
  mirror->add_flag("--remove", options->remove, "Delete what the source has not, after all is copied");
  mirror->add_flag("-n,--dry-run", options->dry_run, "Only say what would be done");
  mirror->add_option("--exclude", options->exclude, "Pattern of names to leave alone; may be repeated")
      ->allow_extra_args(false);
  options->put.add_to(*mirror);

  const auto diff_options = std::make_shared<DiffOptions>();
  CLI::App* diff =
      commands.add(nullptr, "diff", "Compare two trees by names and sizes; exit status 1 when they differ",
                   "  flashctl diff photos local/photos",
                   [diff_options](Session& session) { return diff_command(session, *diff_options); });
  diff->add_option("FIRST", diff_options->first, "Folder or ALIAS/BUCKET[/PREFIX]")->required();
  diff->add_option("SECOND", diff_options->second, "The same")->required();
}

}  // namespace flashstor::cli
