#include <fmt/format.h>

#include <memory>

#include "cli/command_set.h"
#include "cli/limits.h"
#include "cli/local_file.h"
#include "cli/pipe.h"
#include "cli/put_arguments.h"
#include "cli/transfers.h"

namespace flashstor::cli {
namespace {

struct CatOptions {
  std::vector<std::string> targets;
  std::string version_id;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t lines = 10;
};

Result<void> cat_one(Session& session, const std::string& text, const CatOptions& options,
                     const BodySink& sink) {
  const auto target = session.object(text);
  if (!target) return std::unexpected(target.error());
  const auto client = session.client(target->alias);
  if (!client) return std::unexpected(client.error());
  const auto info = (*client)->head_object(target->bucket, target->key, options.version_id);
  if (!info) return std::unexpected(info.error());
  if (info->size <= options.offset && options.offset > 0) return {};
  if (info->size == 0) return {};
  return (*client)->get_object(target->bucket, target->key,
                               {options.offset, options.bytes, options.version_id, info->etag}, sink);
}

Exit cat_command(Session& session, const CatOptions& options) {
  for (const std::string& text : options.targets)
    if (auto done = cat_one(session, text, options, write_stdout); !done) session.fail(done.error(), text);
  return session.done();
}

/// Lines of each object until there are enough; then the rest is not fetched.
Exit head_command(Session& session, const CatOptions& options) {
  for (const std::string& text : options.targets) {
    std::uint64_t left = options.lines;
    bool enough = left == 0;
    const auto sink = [&](std::string_view bytes) -> Result<void> {
      std::size_t end = 0;
      while (end < bytes.size() && left > 0) {
        const auto newline = bytes.find('\n', end);
        end = newline == std::string_view::npos ? bytes.size() : newline + 1;
        if (newline != std::string_view::npos) --left;
      }
      auto written = write_stdout(bytes.substr(0, end));
      enough = left == 0;
      if (written && enough) return fail(ErrorCode::kCancelled, "enough");
      return written;
    };
    const auto done = enough ? Result<void>() : cat_one(session, text, options, sink);
    if (!done && !enough) session.fail(done.error(), text);
  }
  return session.done();
}

struct PipeOptions {
  std::string target;
  PutArguments put;
};

Exit pipe_command(Session& session, const PipeOptions& options) {
  const auto target = session.object(options.target);
  if (!target) return session.usage(target.error().message());
  const auto client = session.client(target->alias);
  if (!client) return session.fail(client.error());
  auto put = options.put.options();
  if (!put) return session.usage(put.error().message());
  if (put->content_type.empty()) put->content_type = content_type_of(target->key);
  const auto bytes = upload_stream(session, **client, target->bucket, target->key, *put, read_stdin);
  if (!bytes) return session.fail(bytes.error(), options.target);
  session.output.result(fmt::format("{} bytes -> `{}`", *bytes, options.target),
                        Json::object({{"target", options.target}, {"size", *bytes}}));
  return Exit::kOk;
}

}  // namespace

void add_stream_commands(CommandSet& commands) {
  const auto cat_options = std::make_shared<CatOptions>();
  CLI::App* cat =
      commands.add(nullptr, "cat", "Write objects to standard output",
                   "  flashctl cat local/logs/today.txt\n  flashctl cat --offset 1024 local/logs/today.txt",
                   [cat_options](Session& session) { return cat_command(session, *cat_options); });
  cat->add_option("TARGET", cat_options->targets, "ALIAS/BUCKET/KEY …")->required();
  cat->add_option("--offset", cat_options->offset, "Begin at this byte");
  cat->add_option("--bytes", cat_options->bytes, "That many bytes");
  cat->add_option("--version-id", cat_options->version_id, "This version");

  const auto head_options = std::make_shared<CatOptions>();
  CLI::App* head = commands.add(
      nullptr, "head", "Show the first lines of objects", "  flashctl head -n 5 local/logs/today.txt",
      [head_options](Session& session) { return head_command(session, *head_options); });
  head->add_option("TARGET", head_options->targets, "ALIAS/BUCKET/KEY …")->required();
  head->add_option("-n,--lines", head_options->lines, "How many")->capture_default_str();
  head->add_option("--version-id", head_options->version_id, "This version");

  const auto pipe_options = std::make_shared<PipeOptions>();
  CLI::App* pipe =
      commands.add(nullptr, "pipe", "Write standard input to an object",
                   "  tar c photos | flashctl pipe local/backup/photos.tar",
                   [pipe_options](Session& session) { return pipe_command(session, *pipe_options); });
  pipe->add_option("TARGET", pipe_options->target, "ALIAS/BUCKET/KEY")->required();
  pipe_options->put.add_to(*pipe);
}

}  // namespace flashstor::cli
