#include "cli/transfer_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/text.h"

namespace flashstor::cli {

TransferRun::TransferRun(Session& session, Settings settings)
    : session_(session), settings_(std::move(settings)), transfers_(session) {}

void TransferRun::add(const Target& from, const Entry& entry, const Target& to) {
  if (from.remote) {
    from_remote(from, entry, to);
  } else if (to.remote) {
    upload(entry, to);
  } else {
    session_.output.failure(entry.path,
                            {ErrorCode::kInvalidArgument, "neither side is in a store: use cp(1)"});
  }
}

void TransferRun::upload(const Entry& entry, const Target& to) {
  const auto client = session_.client(to.alias);
  if (!client) {
    session_.fail(client.error());
    return;
  }
  TransferOptions options = settings_.transfer;
  if (options.put.content_type.empty()) options.put.content_type = content_type_of(to.key);
  const RemoteObject target{*client, to.bucket, to.key, {}, {}};
  const auto remove = [path = entry.path]() -> Result<void> {
    std::error_code error;
    std::filesystem::remove(path, error);
    if (error) return std::unexpected(base::errno_error(error.value(), "remove", path));
    return {};
  };
  transfers_.upload(entry.path, entry.object.size, entry.object.modified, target, options,
                    [this, source = entry.path, name = target.text(), bytes = entry.object.size,
                     remove](auto result) { ended(source, name, bytes, std::move(result), remove); });
}

void TransferRun::from_remote(const Target& from, const Entry& entry, const Target& to) {
  const auto client = session_.client(from.alias);
  const auto target_client = to.remote ? session_.client(to.alias) : client;
  if (!client || !target_client) {
    session_.fail(client ? target_client.error() : client.error());
    return;
  }
  const RemoteObject source{*client, from.bucket, entry.object.key, entry.object.version_id, entry.object};
  const RemoteObject target{*target_client, to.bucket, to.key, {}, {}};
  const std::string target_name = to.remote ? target.text() : to.path;
  if (to.remote && source.text() == target.text() && source.version_id.empty() &&
      !settings_.transfer.replace_metadata) {
    session_.output.failure(target_name,
                            {ErrorCode::kInvalidArgument, "source and target are the same object"});
    return;
  }
  const auto remove = [source] {
    return source.client->delete_object(source.bucket, source.key, source.version_id);
  };
  const auto end = [this, source, target_name, remove](Result<void> result) {
    ended(source.text(), target_name, source.info.size, std::move(result), remove);
  };
  if (to.remote) {
    transfers_.copy(source, target, settings_.transfer, end);
  } else {
    transfers_.download(source, to.path, settings_.transfer, end);
  }
}

void TransferRun::ended(const std::string& source, const std::string& target, std::uint64_t bytes,
                        Result<void> result, const std::function<Result<void>()>& remove_source) {
  if (result && settings_.move) result = remove_source();
  if (!result) {
    session_.output.failure(source, result.error());
    return;
  }
  const Json record = Json::object({{"source", source}, {"target", target}, {"size", bytes}});
  if (session_.output.json() || !Output::on_terminal())
    session_.output.result(fmt::format("`{}` -> `{}`", printable(source), printable(target)), record);
}

void TransferRun::finish() {
  transfers_.finish();
  Progress& progress = transfers_.progress();
  progress.stop();
  const double seconds = std::max(progress.seconds(), 0.001);
  if (Output::on_terminal())
    session_.output.note(fmt::format(
        "{} in {} files, {:.1f} s, {}/s", human_bytes(progress.done_bytes()), progress.done_files(), seconds,
        human_bytes(static_cast<std::uint64_t>(static_cast<double>(progress.done_bytes()) / seconds))));
}

}  // namespace flashstor::cli
