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

struct StatOptions {
  std::vector<std::string> targets;
  std::string version_id;
  bool recursive = false;
};

Json json_of(const std::map<std::string, std::string>& values) {
  Json object = Json::object();
  for (const auto& [name, value] : values) object.set(name, value);
  return object;
}

void print_object(Session& session, const std::string& name, const ObjectInfo& object, const Tags& tags) {
  std::string text = fmt::format(
      "Name      : {}\nSize      : {} ({})\nModified  : {}\nETag      : {}\nType      : {}", printable(name),
      object.size, human_bytes(object.size), display_time(object.modified), object.etag, object.content_type);
  if (!object.version_id.empty()) text += fmt::format("\nVersion   : {}", object.version_id);
  if (!object.storage_class.empty()) text += fmt::format("\nClass     : {}", object.storage_class);
  for (const auto& [header, value] : object.system)
    text += fmt::format("\n{:10}: {}", header, printable(value));
  for (const auto& [header, value] : object.metadata)
    text += fmt::format("\nMetadata  : {}={}", header, printable(value));
  Json tag_record = Json::object();
  for (const auto& [tag, value] : tags) {
    text += fmt::format("\nTag       : {}={}", printable(tag), printable(value));
    tag_record.set(tag, value);
  }
  session.output.result(text + "\n", Json::object({{"name", name},
                                                   {"size", object.size},
                                                   {"lastModified", iso_extended(object.modified)},
                                                   {"etag", object.etag},
                                                   {"contentType", object.content_type},
                                                   {"versionId", object.version_id},
                                                   {"storageClass", object.storage_class},
                                                   {"headers", json_of(object.system)},
                                                   {"metadata", json_of(object.metadata)},
                                                   {"tags", tag_record}}));
}

Result<void> stat_object(Session& session, S3Client& client, const Target& target, const std::string& key,
                         const std::string& version_id) {
  const auto info = client.head_object(target.bucket, key, version_id);
  if (!info) return std::unexpected(info.error());
  // Tags are an extra that not every identity may read.
  const Tags tags = client.tags(target.bucket, key, version_id).value_or(Tags());
  print_object(session, fmt::format("{}/{}/{}", target.alias, target.bucket, key), *info, tags);
  return {};
}

Result<void> stat_bucket(Session& session, S3Client& client, const Target& target) {
  if (auto head = client.head_bucket(target.bucket); !head) return head;
  const std::string versioning = client.versioning(target.bucket).value_or("unknown");
  const Tags tags = client.tags(target.bucket, {}, {}).value_or(Tags());
  Json tag_record = Json::object();
  std::string text = fmt::format("Bucket    : {}/{}\nVersioning: {}", target.alias, target.bucket,
                                 versioning.empty() ? "never enabled" : versioning);
  for (const auto& [tag, value] : tags) {
    text += fmt::format("\nTag       : {}={}", printable(tag), printable(value));
    tag_record.set(tag, value);
  }
  session.output.result(
      text + "\n",
      Json::object({{"bucket", target.bucket}, {"versioning", versioning}, {"tags", tag_record}}));
  return {};
}

Result<void> stat_one(Session& session, const std::string& text, const StatOptions& options) {
  const auto target = session.bucket(text);
  if (!target) return std::unexpected(target.error());
  const auto client = session.client(target->alias);
  if (!client) return std::unexpected(client.error());
  if (options.recursive)
    return walk_tree(session, *target, [&](const Entry& entry) -> Result<bool> {
      if (auto done = stat_object(session, **client, *target, entry.object.key, {}); !done)
        session.fail(done.error(), entry.object.key);
      return !interrupted();
    });
  if (target->key.empty()) return stat_bucket(session, **client, *target);
  return stat_object(session, **client, *target, target->key, options.version_id);
}

struct UsageOptions {
  std::vector<std::string> targets;
  std::size_t depth = 0;
  bool versions = false;
};

struct Usage {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  void add(std::uint64_t size) {
    ++objects;
    bytes += size;
  }
};

/// The first `depth` components of a name that are folders: "a/b/" of "a/b/c.txt" at 2.
std::string folder_at(std::string_view name, std::size_t depth) {
  std::size_t end = 0;
  for (std::size_t level = 0; level < depth; ++level) {
    const auto slash = name.find('/', end);
    if (slash == std::string_view::npos) return {};
    end = slash + 1;
  }
  return std::string(name.substr(0, end));
}

Result<void> usage_one(Session& session, const std::string& text, const UsageOptions& options) {
  const auto target = session.any(text);
  if (!target) return std::unexpected(target.error());
  if (target->remote && target->bucket.empty())
    return fail(ErrorCode::kInvalidArgument, "ALIAS/BUCKET is wanted");
  std::map<std::string, Usage> folders;
  Usage total;
  const auto count = [&](const std::string& name, std::uint64_t size) {
    total.add(size);
    for (std::size_t depth = 1; depth <= options.depth; ++depth)
      if (const std::string folder = folder_at(name, depth); !folder.empty()) folders[folder].add(size);
  };
  Result<void> walked;
  if (options.versions && target->remote) {
    const auto client = session.client(target->alias);
    if (!client) return std::unexpected(client.error());
    const std::string prefix = folder_prefix(target->key);
    walked =
        (*client)->list_versions({target->bucket, prefix, {}, {}}, [&](const ListPage& page) -> Result<bool> {
          for (const ObjectInfo& object : page.objects) count(object.key.substr(prefix.size()), object.size);
          return !interrupted();
        });
  } else {
    walked = walk_tree(session, *target, [&](const Entry& entry) -> Result<bool> {
      count(entry.name, entry.object.size);
      return !interrupted();
    });
  }
  if (!walked) return walked;
  const auto print = [&](const std::string& name, const Usage& usage) {
    session.output.result(
        fmt::format("{:>10}  {:>17}  {}", human_bytes(usage.bytes), counted(usage.objects, "object"),
                    printable(name)),
        Json::object({{"prefix", name}, {"objects", usage.objects}, {"size", usage.bytes}}));
  };
  for (const auto& [folder, usage] : folders) print(target->child(folder), usage);
  print(text, total);
  return {};
}

}  // namespace

void add_stat_commands(CommandSet& commands) {
  const auto stat_options = std::make_shared<StatOptions>();
  CLI::App* stat = commands.add(nullptr, "stat", "Show all that is known of objects and buckets",
                                "  flashctl stat local/photos/cat.jpg\n  flashctl stat local/photos",
                                [stat_options](Session& session) {
                                  for (const std::string& text : stat_options->targets)
                                    if (auto done = stat_one(session, text, *stat_options); !done)
                                      session.fail(done.error(), text);
                                  return session.done();
                                });
  stat->add_option("TARGET", stat_options->targets, "ALIAS/BUCKET[/KEY] …")->required();
  stat->add_option("--version-id", stat_options->version_id, "This version");
  stat->add_flag("-r,--recursive", stat_options->recursive, "Every object below TARGET");

  const auto usage_options = std::make_shared<UsageOptions>();
  CLI::App* du = commands.add(nullptr, "du", "Sum up sizes",
                              "  flashctl du local/photos\n  flashctl du --depth 2 local/photos",
                              [usage_options](Session& session) {
                                for (const std::string& text : usage_options->targets)
                                  if (auto done = usage_one(session, text, *usage_options); !done)
                                    session.fail(done.error(), text);
                                return session.done();
                              });
  du->add_option("TARGET", usage_options->targets, "ALIAS/BUCKET[/PREFIX] …")->required();
  du->add_option("-d,--depth", usage_options->depth, "Folders too, down to this level");
  du->add_flag("--versions", usage_options->versions, "Count every version");
}

}  // namespace flashstor::cli
