#include "engine/objects/system_store.h"

#include <algorithm>

#include "engine/async/gather.h"
#include "engine/objects/keys.h"
#include "engine/objects/limits.h"
#include "engine/objects/payloads.h"
#include "engine/objects/queries.h"

namespace flashstor::objects {
namespace {

Task<Result<std::string>> write_document(cluster::ClusterApi* cluster, Random* random,
                                         DocumentPayload payload) {
  if (payload.path.empty() || payload.path.size() > limits::kMaxKeyBytes)
    co_return fail(ErrorCode::kKeyTooLong, "a document's path has 1 to 1024 bytes");
  if (payload.bytes && payload.bytes->size() > limits::kMaxDocumentBytes)
    co_return fail(ErrorCode::kEntityTooLarge, "a document has at most 1 MiB");
  cluster::SetApi& set = cluster->set_for(system_bucket_id(), payload.path);
  cluster::Command command;
  command.kind = static_cast<cluster::CommandKind>(ObjectCommand::kPutDocument);
  command.request_id = Uuid::make(*random);
  command.locks = {
      {cluster::lock_name(Family::kVersions, key_prefix(system_bucket_id(), payload.path)), true}};
  command.payload = encode(payload);
  cluster::SystemWatchApi* watch = cluster->system_watch();
  if (watch != nullptr && !watch->concerns(payload.path)) watch = nullptr;
  if (watch != nullptr) co_await or_return(watch->changing(payload.path));
  auto result = co_await set.execute(std::move(command));
  if (watch != nullptr) co_await watch->changed();
  if (!result) co_return std::unexpected(std::move(result).error());
  co_return std::move(result->response);
}

}  // namespace

Task<Result<std::optional<SystemStore::Document>>> SystemStore::read(std::string path) {
  cluster::SetApi& set = cluster_.set_for(system_bucket_id(), path);
  const auto found =
      co_await or_return(ask_version(set, {.bucket = system_bucket_id(), .key = path, .version_id = {}}));
  if (!found) co_return std::nullopt;
  VersionRow row = co_await or_return(decode_version(found->value));
  co_return Document{
      .path = std::move(path), .bytes = std::move(row.embedded), .revision = found->id.to_text()};
}

Task<Result<std::optional<std::string>>> SystemStore::load(std::string path) {
  auto document = co_await or_return(read(std::move(path)));
  if (!document) co_return std::nullopt;
  co_return std::move(document->bytes);
}

Task<Result<void>> SystemStore::save(std::string path, std::string bytes) {
  co_await or_return(write_document(
      &cluster_, &random_,
      {.path = std::move(path), .conditional = false, .revision = {}, .bytes = std::move(bytes)}));
  co_return {};
}

Task<Result<void>> SystemStore::remove(std::string path) {
  co_await or_return(
      write_document(&cluster_, &random_,
                     {.path = std::move(path), .conditional = false, .revision = {}, .bytes = std::nullopt}));
  co_return {};
}

Task<Result<std::string>> SystemStore::replace(std::string path, std::string bytes, std::string revision) {
  co_return co_await write_document(&cluster_, &random_,
                                    {.path = std::move(path),
                                     .conditional = true,
                                     .revision = std::move(revision),
                                     .bytes = std::move(bytes)});
}

Task<Result<void>> SystemStore::remove_if(std::string path, std::string revision) {
  co_await or_return(write_document(&cluster_, &random_,
                                    {.path = std::move(path),
                                     .conditional = true,
                                     .revision = std::move(revision),
                                     .bytes = std::nullopt}));
  co_return {};
}

Task<Result<std::vector<SystemStore::Document>>> SystemStore::read_page(std::string prefix, std::string after,
                                                                        std::size_t max) {
  // A page from each set holds all that a page of the whole can hold.
  std::vector<Task<Result<std::vector<DocumentRow>>>> asked;
  for (std::uint32_t i = 0; i < cluster_.set_count(); ++i)
    asked.push_back(ask_documents(
        cluster_.set_at(i), {.prefix = prefix, .after = after, .max = static_cast<std::uint32_t>(max)}));
  std::vector<Document> all;
  for (auto& page : co_await async::gather(std::move(asked))) {
    if (!page) co_return std::unexpected(page.error());
    for (DocumentRow& row : *page)
      all.push_back({std::move(row.path), std::move(row.bytes), std::move(row.revision)});
  }
  std::ranges::sort(all, {}, &Document::path);
  if (all.size() > max) all.resize(max);
  co_return all;
}

Task<Result<std::vector<std::string>>> SystemStore::list(std::string prefix) {
  constexpr std::size_t kPage = 1000;
  std::vector<std::string> paths;
  for (;;) {
    const std::string after = paths.empty() ? std::string() : paths.back();
    auto page = co_await or_return(read_page(prefix, after, kPage));
    for (Document& document : page) paths.push_back(std::move(document.path));
    if (page.size() < kPage) co_return paths;
  }
}

}  // namespace flashstor::objects
