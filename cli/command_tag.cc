#include <fmt/format.h>

#include <memory>

#include "cli/command_set.h"
#include "cli/put_arguments.h"
#include "cli/text.h"

namespace flashstor::cli {
namespace {

struct TagOptions {
  std::string target;
  std::string tags;
  std::string version_id;
};

Exit tag_command(Session& session, const TagOptions& options, std::string_view what) {
  const auto target = session.bucket(options.target);
  if (!target) return session.usage(target.error().message());
  const auto client = session.client(target->alias);
  if (!client) return session.fail(client.error());
  if (what != "list") {
    const auto tags = parse_tags(options.tags);
    if (!tags) return session.usage(tags.error().message());
    if (what == "set" && tags->empty()) return session.usage("NAME=VALUE&… is wanted");
    const auto done = (*client)->set_tags(target->bucket, target->key, options.version_id, *tags);
    if (!done) return session.fail(done.error(), options.target);
    session.output.result(fmt::format("Tags of `{}` are {}.", options.target, tags->empty() ? "gone" : "set"),
                          Json::object({{"target", options.target}}));
    return Exit::kOk;
  }
  const auto tags = (*client)->tags(target->bucket, target->key, options.version_id);
  if (!tags) return session.fail(tags.error(), options.target);
  Json record = Json::object();
  for (const auto& [name, value] : *tags) {
    record.set(name, value);
    session.output.text(fmt::format("{}={}", printable(name), printable(value)));
  }
  if (session.output.json())
    session.output.result({}, Json::object({{"target", options.target}, {"tags", std::move(record)}}));
  return Exit::kOk;
}

}  // namespace

void add_tag_commands(CommandSet& commands) {
  CLI::App* group = commands.add_group(nullptr, "tag", "Tags of objects and buckets");
  const auto options = std::make_shared<TagOptions>();
  const auto add = [&](const char* name, const char* description, const char* example) {
    CLI::App* command = commands.add(group, name, description, example, [options, name](Session& session) {
      return tag_command(session, *options, name);
    });
    command->add_option("TARGET", options->target, "ALIAS/BUCKET[/KEY]")->required();
    command->add_option("--version-id", options->version_id, "This version");
    return command;
  };
  add("set", "Replace the tags", "  flashctl tag set local/photos/cat.jpg 'animal=cat&year=2026'")
      ->add_option("TAGS", options->tags, "NAME=VALUE&NAME=VALUE")
      ->required();
  add("list", "Show the tags", "  flashctl tag list local/photos/cat.jpg");
  add("remove", "Remove all tags", "  flashctl tag remove local/photos/cat.jpg");
}

}  // namespace flashstor::cli
