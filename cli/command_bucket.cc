#include <fmt/format.h>

#include <memory>

#include "cli/command_set.h"
#include "cli/remove.h"

namespace flashstor::cli {
namespace {

struct MakeOptions {
  std::vector<std::string> targets;
  std::string region;
  bool ignore_existing = false;
  bool with_versioning = false;
  bool with_lock = false;
};

Result<void> make_one(Session& session, const std::string& text, const MakeOptions& options) {
  const auto target = session.bucket(text);
  if (!target) return std::unexpected(target.error());
  if (!target->key.empty()) return fail(ErrorCode::kInvalidArgument, "a bucket is ALIAS/BUCKET");
  const auto client = session.client(target->alias);
  if (!client) return std::unexpected(client.error());
  const std::string& region = options.region.empty() ? (*client)->alias().region : options.region;
  // In us-east-1 making one's own bucket again is success, so whether it is there must be asked before.
  bool exists = (*client)->head_bucket(target->bucket).has_value();
  Result<void> made;
  if (exists) {
    made = fail(ErrorCode::kBucketOwnedByCaller, "the bucket is there already");
  } else {
    made = (*client)->make_bucket(target->bucket, region, options.with_lock);
    exists = !made && made.error().code() == ErrorCode::kBucketOwnedByCaller;
  }
  if (!made && !(exists && options.ignore_existing)) return made;
  if (options.with_versioning) {
    if (auto enabled = (*client)->set_versioning(target->bucket, true); !enabled) return enabled;
  }
  session.output.result(fmt::format("Bucket `{}` is {}.", text, exists ? "there already" : "made"),
                        Json::object({{"bucket", target->bucket}, {"created", !exists}}));
  return {};
}

struct RemoveOptions {
  std::vector<std::string> targets;
  bool force = false;
};

Result<void> remove_one(Session& session, const std::string& text, bool force) {
  const auto target = session.bucket(text);
  if (!target) return std::unexpected(target.error());
  if (!target->key.empty()) return fail(ErrorCode::kInvalidArgument, "a bucket is ALIAS/BUCKET");
  const auto client = session.client(target->alias);
  if (!client) return std::unexpected(client.error());
  if (force) {
    session.output.note(fmt::format("Removing bucket `{}` with every object and version in it.", text));
    if (auto emptied = empty_bucket(session, **client, target->bucket); !emptied) return emptied;
  }
  auto removed = (*client)->remove_bucket(target->bucket);
  if (!removed && removed.error().code() == ErrorCode::kBucketNotEmpty)
    return std::unexpected(
        removed.error().wrap(ErrorCode::kBucketNotEmpty, "add --force to delete what is in it"));
  if (!removed) return removed;
  session.output.result(fmt::format("Bucket `{}` is gone.", text),
                        Json::object({{"bucket", target->bucket}}));
  return {};
}

Exit version_command(Session& session, const std::string& text, std::string_view what) {
  const auto target = session.bucket(text);
  if (!target) return session.usage(target.error().message());
  const auto client = session.client(target->alias);
  if (!client) return session.fail(client.error());
  if (what != "info") {
    auto set = (*client)->set_versioning(target->bucket, what == "enable");
    if (!set) return session.fail(set.error(), text);
  }
  const auto status = (*client)->versioning(target->bucket);
  if (!status) return session.fail(status.error(), text);
  const std::string words = status->empty() ? "never enabled" : *status;
  session.output.result(fmt::format("Versioning of `{}`: {}", text, words),
                        Json::object({{"bucket", target->bucket}, {"versioning", *status}}));
  return Exit::kOk;
}

}  // namespace

void add_bucket_commands(CommandSet& commands) {
  const auto make = std::make_shared<MakeOptions>();
  CLI::App* mb =
      commands.add(nullptr, "mb", "Make buckets",
                   "  flashctl mb local/photos\n  flashctl mb -p local/a local/b", [make](Session& session) {
                     for (const std::string& text : make->targets)
                       if (auto done = make_one(session, text, *make); !done)
                         session.fail(done.error(), text);
                     return session.done();
                   });
  mb->add_option("TARGET", make->targets, "ALIAS/BUCKET …")->required();
  mb->add_option("--region", make->region, "Where; otherwise the alias's region");
  mb->add_flag("-p,--ignore-existing", make->ignore_existing, "A bucket of yours that exists is no error");
  mb->add_flag("--with-versioning", make->with_versioning, "Keep old versions of its objects");
  mb->add_flag("-l,--with-lock", make->with_lock, "Allow object locks");

  const auto remove = std::make_shared<RemoveOptions>();
  CLI::App* rb = commands.add(nullptr, "rb", "Remove buckets",
                              "  flashctl rb local/photos\n  flashctl rb --force local/photos",
                              [remove](Session& session) {
                                for (const std::string& text : remove->targets)
                                  if (auto done = remove_one(session, text, remove->force); !done)
                                    session.fail(done.error(), text);
                                return session.done();
                              });
  rb->add_option("TARGET", remove->targets, "ALIAS/BUCKET …")->required();
  rb->add_flag("--force", remove->force,
               "Delete what is in it first: all objects, versions and unfinished uploads");

  CLI::App* version = commands.add_group(nullptr, "version", "Versioning of a bucket");
  const auto target = std::make_shared<std::string>();
  const auto add = [&](const char* name, const char* description) {
    commands
        .add(version, name, description, fmt::format("  flashctl version {} local/photos", name),
             [target, name](Session& session) { return version_command(session, *target, name); })
        ->add_option("TARGET", *target, "ALIAS/BUCKET")
        ->required();
  };
  add("enable", "Keep every version of its objects");
  add("suspend", "Keep the versions there are, make no new ones");
  add("info", "Say whether versions are kept");
}

}  // namespace flashstor::cli
