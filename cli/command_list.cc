#include <fmt/format.h>

#include <memory>

#include "cli/clock.h"
#include "cli/command_set.h"
#include "cli/text.h"
#include "cli/walk.h"

namespace flashstor::cli {
namespace {

struct ListOptions {
  std::vector<std::string> targets;
  bool recursive = false;
  bool versions = false;
  bool incomplete = false;
  bool summarize = false;
};

struct Totals {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
};

void print_folder(Session& session, const std::string& name) {
  session.output.result(fmt::format("{:25}  {:>10}  {}", "", "DIR", printable(name)),
                        Json::object({{"type", "folder"}, {"key", name}, {"size", 0}}));
}

void print_object(Session& session, const ObjectInfo& object, const std::string& name, bool versions) {
  Json record = Json::object({{"type", "file"},
                              {"key", name},
                              {"size", object.size},
                              {"lastModified", iso_extended(object.modified)},
                              {"etag", object.etag}});
  if (!object.storage_class.empty()) record.set("storageClass", object.storage_class);
  std::string version;
  if (versions) {
    record.set("versionId", object.version_id);
    record.set("isLatest", object.is_latest);
    record.set("isDeleteMarker", object.is_delete_marker);
    version = fmt::format("  {:32}  {:3}", object.version_id, object.is_delete_marker ? "DEL" : "PUT");
  }
  session.output.result(fmt::format("[{}]  {:>10}{}  {}", display_time(object.modified),
                                    human_bytes(object.size), version, printable(name)),
                        std::move(record));
}

Result<void> list_buckets(Session& session, S3Client& client) {
  const auto buckets = client.list_buckets();
  if (!buckets) return std::unexpected(buckets.error());
  for (const BucketInfo& bucket : *buckets)
    session.output.result(fmt::format("[{}]  {:>10}  {}/", display_time(bucket.created), "", bucket.name),
                          Json::object({{"type", "bucket"},
                                        {"key", bucket.name + "/"},
                                        {"lastModified", iso_extended(bucket.created)}}));
  return {};
}

Result<void> list_incomplete(Session& session, S3Client& client, const Target& target) {
  const auto uploads = client.list_uploads(target.bucket, target.key);
  if (!uploads) return std::unexpected(uploads.error());
  for (const UploadInfo& upload : *uploads)
    session.output.result(
        fmt::format("[{}]  {}  {}", display_time(upload.started), upload.upload_id, printable(upload.key)),
        Json::object({{"type", "upload"},
                      {"key", upload.key},
                      {"uploadId", upload.upload_id},
                      {"lastModified", iso_extended(upload.started)}}));
  return {};
}

/// As `ls` shows a folder: one level, names without what stands before the last slash of the prefix.
Result<Totals> list_prefix(Session& session, S3Client& client, const Target& target,
                           const ListOptions& options, const std::string& shown_before = {}) {
  Totals totals;
  const std::size_t root = target.key.rfind('/') == std::string::npos ? 0 : target.key.rfind('/') + 1;
  const ListQuery query{target.bucket, target.key, options.recursive ? "" : "/", {}};
  // `ls ALIAS/BUCKET/folder` means what is in the folder, as everywhere else; so a lone folder is opened.
  std::string lone_folder;
  const auto each = [&](const ListPage& page) -> Result<bool> {
    if (!options.recursive && page.objects.empty() && page.prefixes.size() == 1 && !page.truncated &&
        totals.objects == 0 && page.prefixes[0] == target.key + "/" && !target.key.empty()) {
      lone_folder = page.prefixes[0];
      return false;
    }
    for (const std::string& prefix : page.prefixes) print_folder(session, shown_before + prefix.substr(root));
    for (const ObjectInfo& object : page.objects) {
      std::string name = object.key.substr(root);
      if (name.empty()) name = "./";  // The folder's own marker.
      print_object(session, object, shown_before + name, options.versions);
      totals.objects += 1;
      totals.bytes += object.size;
    }
    return true;
  };
  auto listed = options.versions ? client.list_versions(query, each) : client.list_objects(query, each);
  if (!listed) return std::unexpected(listed.error());
  if (lone_folder.empty()) return totals;
  Target folder = target;
  folder.key = lone_folder;
  return list_prefix(session, client, folder, options, shown_before);
}

void print_totals(Session& session, const Totals& totals) {
  session.output.result(
      fmt::format("Total: {}, {}", counted(totals.objects, "object"), human_bytes(totals.bytes)),
      Json::object({{"type", "summary"}, {"totalObjects", totals.objects}, {"totalSize", totals.bytes}}));
}

/// Every object of every bucket, each name with its bucket in front.
Result<void> list_everything(Session& session, S3Client& client, const Target& target,
                             const ListOptions& options) {
  const auto buckets = client.list_buckets();
  if (!buckets) return std::unexpected(buckets.error());
  Totals totals;
  for (const BucketInfo& bucket : *buckets) {
    Target in_bucket = target;
    in_bucket.bucket = bucket.name;
    const auto some = list_prefix(session, client, in_bucket, options, bucket.name + "/");
    if (!some) return std::unexpected(some.error());
    totals.objects += some->objects;
    totals.bytes += some->bytes;
  }
  if (options.summarize) print_totals(session, totals);
  return {};
}

Result<void> list_one(Session& session, const std::string& text, const ListOptions& options) {
  const auto target = session.remote(text);
  if (!target) return std::unexpected(target.error());
  const auto client = session.client(target->alias);
  if (!client) return std::unexpected(client.error());
  if (target->bucket.empty() && !options.recursive) return list_buckets(session, **client);
  if (target->bucket.empty()) return list_everything(session, **client, *target, options);
  if (options.incomplete) return list_incomplete(session, **client, *target);
  const auto totals = list_prefix(session, **client, *target, options);
  if (!totals) return std::unexpected(totals.error());
  if (options.summarize) print_totals(session, *totals);
  return {};
}

Exit list_aliases_as_targets(Session& session) {
  const auto book = session.aliases();
  if (!book) return session.fail(book.error());
  if ((*book)->all().empty())
    session.output.note("There is no alias yet: flashctl alias set NAME URL KEY SECRET");
  for (const Alias& alias : (*book)->all())
    session.output.result(
        fmt::format("{}/  {}", alias.name, alias.url.text()),
        Json::object({{"type", "alias"}, {"key", alias.name + "/"}, {"url", alias.url.text()}}));
  return Exit::kOk;
}

}  // namespace

void add_list_commands(CommandSet& commands) {
  const auto options = std::make_shared<ListOptions>();
  CLI::App* ls = commands.add(nullptr, "ls", "List buckets and objects",
                              "  flashctl ls local\n"
                              "  flashctl ls local/photos/2026/\n"
                              "  flashctl ls -r --summarize local/photos\n"
                              "  flashctl ls --versions local/photos/cat.jpg",
                              [options](Session& session) {
                                if (options->targets.empty()) return list_aliases_as_targets(session);
                                for (const std::string& text : options->targets)
                                  if (auto done = list_one(session, text, *options); !done)
                                    session.fail(done.error(), text);
                                return session.done();
                              });
  ls->add_option("TARGET", options->targets, "ALIAS[/BUCKET[/PREFIX]] …");
  ls->add_flag("-r,--recursive", options->recursive, "All levels");
  ls->add_flag("--versions", options->versions, "Every version and delete marker");
  ls->add_flag("-I,--incomplete", options->incomplete, "Unfinished uploads instead");
  ls->add_flag("--summarize", options->summarize, "End with the number of objects and their size");
}

}  // namespace flashstor::cli
