#include <fmt/format.h>

#include <memory>
#include <utility>

#include "cli/command_set.h"
#include "cli/interrupt.h"
#include "cli/remove.h"
#include "cli/text.h"
#include "cli/walk.h"

namespace flashstor::cli {
namespace {

struct RemoveOptions {
  std::vector<std::string> targets;
  std::string version_id;
  bool recursive = false;
  bool force = false;
  bool versions = false;
  bool incomplete = false;
  bool dry_run = false;
};

struct Doomed {
  DeleteTarget target;
  std::uint64_t size = 0;
};

using DoomedFunction = std::function<Result<bool>(const Doomed&)>;

/// Everything that the target and options mean, in order.
Result<void> each_doomed(S3Client& client, const Target& target, const RemoveOptions& options,
                         const DoomedFunction& each) {
  if (!options.recursive && !options.versions) {
    const auto info = client.head_object(target.bucket, target.key, options.version_id);
    // A delete marker can be named by its version though HEAD will not show it.
    if (!info && options.version_id.empty()) return std::unexpected(info.error());
    const auto more = each({{target.key, options.version_id}, info ? info->size : 0});
    if (!more) return std::unexpected(more.error());
    return {};
  }
  const std::string prefix = options.recursive ? folder_prefix(target.key) : target.key;
  const auto page_function = [&](const ListPage& page) -> Result<bool> {
    for (const ObjectInfo& object : page.objects) {
      if (!options.recursive && object.key != target.key) return false;
      auto more = each({{object.key, options.versions ? object.version_id : std::string()}, object.size});
      if (!more || !*more) return more;
    }
    return true;
  };
  const ListQuery query{target.bucket, prefix, {}, {}};
  return options.versions ? client.list_versions(query, page_function)
                          : client.list_objects(query, page_function);
}

std::string name_of(const Target& target, const DeleteTarget& doomed) {
  std::string name = fmt::format("{}/{}/{}", target.alias, target.bucket, printable(doomed.key));
  if (!doomed.version_id.empty()) name += fmt::format(" (version {})", doomed.version_id);
  return name;
}

/// Says what would go and asks. Nothing when the answer is no, otherwise exactly what was shown.
Result<std::optional<std::vector<DeleteTarget>>> agree(Session& session, S3Client& client,
                                                       const Target& target, const RemoveOptions& options) {
  std::vector<DeleteTarget> doomed;
  std::uint64_t bytes = 0;
  bool first = true;
  auto listed = each_doomed(client, target, options, [&](const Doomed& one) -> Result<bool> {
    if (std::exchange(first, false)) session.output.note(options.dry_run ? "Would delete:" : "Will delete:");
    if (options.dry_run) {
      session.output.result(
          "  " + name_of(target, one.target),
          Json::object({{"key", one.target.key}, {"versionId", one.target.version_id}, {"dryRun", true}}));
    } else if (doomed.size() < 20) {
      session.output.note("  " + name_of(target, one.target));
    }
    bytes += one.size;
    doomed.push_back(one.target);
    return !interrupted();
  });
  if (!listed) return std::unexpected(listed.error());
  if (!options.dry_run && doomed.size() > 20)
    session.output.note(fmt::format("  … and {} more", doomed.size() - 20));
  if (doomed.empty()) return fail(ErrorCode::kNoSuchKey, "nothing is there");
  session.output.note(fmt::format("{} in all, {}", doomed.size(), human_bytes(bytes)));
  if (options.dry_run) return std::optional<std::vector<DeleteTarget>>();
  const bool plain = !options.recursive && !options.versions && !Output::stdin_is_terminal();
  if (!session.confirm("Delete them?", plain)) return std::optional<std::vector<DeleteTarget>>();
  return std::optional(std::move(doomed));
}

Result<void> remove_uploads(Session& session, S3Client& client, const Target& target,
                            const RemoveOptions& options) {
  const auto uploads = client.list_uploads(target.bucket, target.key);
  if (!uploads) return std::unexpected(uploads.error());
  for (const UploadInfo& upload : *uploads) {
    if (!options.recursive && upload.key != target.key) continue;
    if (!options.dry_run)
      if (auto aborted = client.abort_upload(target.bucket, upload.key, upload.upload_id); !aborted)
        return aborted;
    session.output.result(fmt::format("{} unfinished upload of `{}`",
                                      options.dry_run ? "Would remove" : "Removed", printable(upload.key)),
                          Json::object({{"key", upload.key}, {"uploadId", upload.upload_id}}));
  }
  return {};
}

Result<void> remove_one(Session& session, const std::string& text, const RemoveOptions& options) {
  const auto target = options.recursive || options.incomplete ? session.bucket(text) : session.object(text);
  if (!target) return std::unexpected(target.error());
  const auto client = session.client(target->alias);
  if (!client) return std::unexpected(client.error());
  if (options.incomplete) return remove_uploads(session, **client, *target, options);
  BatchDelete batch(session, **client, target->bucket, [&](const DeleteTarget& gone) {
    session.output.result(fmt::format("Deleted `{}`.", name_of(*target, gone)),
                          Json::object({{"key", gone.key}, {"versionId", gone.version_id}}));
  });
  if (!options.force || options.dry_run) {
    const auto agreed = agree(session, **client, *target, options);
    if (!agreed) return std::unexpected(agreed.error());
    if (!*agreed) return {};
    for (const DeleteTarget& doomed : **agreed)
      if (auto added = batch.add(doomed); !added) return added;
    return batch.finish();
  }
  session.output.note(fmt::format("Deleting {}{}.", options.versions ? "every version of " : "",
                                  options.recursive ? "all below `" + text + "`" : "`" + text + "`"));
  auto done = each_doomed(**client, *target, options, [&](const Doomed& one) -> Result<bool> {
    if (auto added = batch.add(one.target); !added) return std::unexpected(added.error());
    return !interrupted();
  });
  // With --force a key that is not there is no failure, as with rm -f.
  if (!done && done.error().code() == ErrorCode::kNoSuchKey) return {};
  return done ? batch.finish() : done;
}

}  // namespace

void add_remove_commands(CommandSet& commands) {
  const auto options = std::make_shared<RemoveOptions>();
  CLI::App* rm = commands.add(nullptr, "rm", "Delete objects; says which, and asks on a terminal",
                              "  flashctl rm local/photos/cat.jpg\n"
                              "  flashctl rm -r --dry-run local/photos/2020/\n"
                              "  flashctl rm -r --force local/photos/2020/\n"
                              "  flashctl rm --versions --force local/photos/cat.jpg",
                              [options](Session& session) {
                                for (const std::string& text : options->targets)
                                  if (auto done = remove_one(session, text, *options); !done)
                                    session.fail(done.error(), text);
                                return session.done();
                              });
  rm->add_option("TARGET", options->targets, "ALIAS/BUCKET/KEY …")->required();
  rm->add_flag("-r,--recursive", options->recursive, "All that is below TARGET");
  rm->add_flag("--force", options->force, "Do not ask; a missing object is no failure");
  rm->add_flag("--versions", options->versions, "Every version and delete marker, for ever");
  rm->add_option("--version-id", options->version_id, "This version only, for ever");
  rm->add_flag("-I,--incomplete", options->incomplete, "Unfinished uploads instead of objects");
  rm->add_flag("-n,--dry-run", options->dry_run, "Only say what would be deleted");
}

}  // namespace flashstor::cli
