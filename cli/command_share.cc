#include <fmt/format.h>

#include <memory>

#include "cli/clock.h"
#include "cli/command_set.h"
#include "cli/limits.h"
#include "cli/text.h"

namespace flashstor::cli {
namespace {

struct ShareOptions {
  std::vector<std::string> targets;
  std::string expire = "7d";
  std::string version_id;
};

Result<void> share_one(Session& session, const std::string& text, const ShareOptions& options,
                       std::chrono::seconds expires, bool upload) {
  const auto target = session.object(text);
  if (!target) return std::unexpected(target.error());
  const auto client = session.client(target->alias);
  if (!client) return std::unexpected(client.error());
  if ((*client)->alias().credentials.access_key.empty())
    return fail(ErrorCode::kInvalidArgument, "an anonymous alias cannot sign");
  Query query;
  if (!options.version_id.empty()) query.emplace_back("versionId", options.version_id);
  if (!upload) {
    const auto info = (*client)->head_object(target->bucket, target->key, options.version_id);
    if (!info) return std::unexpected(info.error());
  }
  const std::string url =
      (*client)->presign(upload ? "PUT" : "GET", target->bucket, target->key, query, expires);
  Json record = Json::object({{"target", text},
                              {"url", url},
                              {"expires", iso_extended(wall_now() + expires)},
                              {"method", upload ? "PUT" : "GET"}});
  std::string shown = url;
  if (upload) {
    const std::string command = fmt::format("curl --fail --upload-file FILE '{}'", url);
    record.set("command", command);
    shown = command;
  }
  session.output.result(shown, std::move(record));
  return {};
}

Exit share_command(Session& session, const ShareOptions& options, bool upload) {
  const auto expires = parse_duration(options.expire);
  if (!expires) return session.usage(expires.error().message());
  if (*expires > limits::kMaxShareExpiry) return session.usage("a shared URL lives at most 7d");
  for (const std::string& text : options.targets)
    if (auto done = share_one(session, text, options, *expires, upload); !done)
      session.fail(done.error(), text);
  return session.done();
}

}  // namespace

void add_share_commands(CommandSet& commands) {
  CLI::App* group = commands.add_group(nullptr, "share", "URLs that work without credentials for a time");
  const auto options = std::make_shared<ShareOptions>();
  const auto add = [&](const char* name, const char* description, const char* example, bool upload) {
    CLI::App* command = commands.add(group, name, description, example, [options, upload](Session& session) {
      return share_command(session, *options, upload);
    });
    command->add_option("TARGET", options->targets, "ALIAS/BUCKET/KEY …")->required();
    command->add_option("-E,--expire", options->expire, "How long, at most 7d")->capture_default_str();
    if (!upload) command->add_option("--version-id", options->version_id, "This version");
  };
  add("download", "A URL to get an object", "  flashctl share download local/photos/cat.jpg --expire 2h",
      false);
  add("upload", "A command to put an object", "  flashctl share upload local/inbox/report.pdf --expire 1d",
      true);
}

}  // namespace flashstor::cli
