#include <fmt/format.h>

#include "engine/async/gather.h"
#include "engine/base/hex.h"
#include "engine/objects/bucket_record.h"
#include "engine/objects/keys.h"
#include "engine/objects/queries.h"
#include "engine/objects/store_parts.h"

namespace flashstor::objects {
namespace {

constexpr std::size_t kMaxRaces = 64;  // changes of one bucket that may overtake ours before we give up

std::unexpected<Error> no_such_bucket() {
  return fail(ErrorCode::kNoSuchBucket, "The specified bucket does not exist");
}

Task<Result<void>> set_gate(cluster::SetApi* set, GatePayload payload, Uuid request_id) {
  cluster::Command command;
  command.kind = static_cast<cluster::CommandKind>(ObjectCommand::kSetGate);
  command.request_id = request_id;
  command.locks = {{cluster::lock_name(Family::kIntents, gate_key(payload.bucket)), true}};
  command.payload = encode(payload);
  co_await or_return(set->execute(std::move(command)));
  co_return {};
}

Task<Result<bool>> is_empty(cluster::ClusterApi* cluster, Uuid bucket) {
  for (std::uint32_t i = 0; i < cluster->set_count(); ++i) {
    ListScan scan;
    scan.bucket = bucket;
    scan.with_versions = true;
    scan.max = 1;
    const auto page = co_await or_return(ask_list(cluster->set_at(i), std::move(scan)));
    if (!page.items.empty()) co_return false;
  }
  co_return true;
}

}  // namespace

Task<Result<void>> StoreParts::set_gates(const Uuid& bucket, GatePayload::Action action, std::uint64_t epoch,
                                         Uuid token) const {
  std::vector<Task<Result<void>>> all;
  for (std::uint32_t i = 0; i < cluster().set_count(); ++i)
    all.push_back(set_gate(&cluster().set_at(i),
                           {.bucket = bucket, .action = action, .epoch = epoch, .token = token},
                           Uuid::make(random())));
  for (auto& result : co_await async::gather(std::move(all)))
    if (!result) co_return result;
  co_return {};
}

Task<Result<BucketRef>> StoreParts::change_bucket(std::string name, Mutate mutate, bool raise) const {
  SystemStore& documents = buckets().store();
  for (std::size_t attempt = 0; attempt < kMaxRaces; ++attempt) {
    const auto document = co_await or_return(documents.read(bucket_path(name)));
    if (!document) co_return no_such_bucket();
    Bucket bucket = co_await or_return(decode_bucket(document->bytes));
    co_await or_return(mutate(bucket));
    if (raise) ++bucket.epoch;
    const auto written =
        co_await documents.replace(document->path, encode_bucket(bucket), document->revision);
    if (!written && written.error().code() == ErrorCode::kConflict) continue;
    epoch().advance();
    if (!written) co_return std::unexpected(written.error());
    // The record is there: whoever is refused from now on finds the new state in it.
    if (raise) co_await or_return(set_gates(bucket.id, GatePayload::Action::kRaise, bucket.epoch, {}));
    co_return std::make_shared<const Bucket>(std::move(bucket));
  }
  co_return fail(ErrorCode::kConflict, "Other changes of this bucket came first.");
}

// A deletion names its token in the bucket's record before it freezes a gate, and removes the record only
// while its token is in it. So once the record names another token (or none), that deletion can never end
// and its freezes may go.
Task<Result<bool>> StoreParts::settle_frozen(std::string name, std::string message) const {
  const std::size_t space = message.find(' ');
  const auto token = Uuid::from_text(message.substr(0, space));
  if (!token || space == std::string::npos) co_return false;
  const bool expired = message.substr(space + 1) == "expired";
  SystemStore& documents = buckets().store();
  const auto document = co_await or_return(documents.read(bucket_path(name)));
  if (!document) co_return no_such_bucket();
  Bucket bucket = co_await or_return(decode_bucket(document->bytes));
  if (bucket.deleting == *token) {
    if (!expired) co_return false;
    bucket.deleting = Uuid{};
    co_await or_return(documents.replace(document->path, encode_bucket(bucket), document->revision));
    epoch().advance();
  }
  co_await or_return(set_gates(bucket.id, GatePayload::Action::kThaw, bucket.epoch, *token));
  co_return true;
}

Task<Result<BucketRef>> ObjectStore::create_bucket(CreateBucketRequest request) {
  co_await or_return(check_bucket_name(request.name));
  SystemStore& documents = buckets_->store();
  Bucket bucket;
  bucket.name = request.name;
  bucket.id = Uuid::make(random_);
  bucket.owner = request.owner;
  bucket.region = request.region;
  bucket.acl = request.acl;
  bucket.grants = std::move(request.grants);
  bucket.created = Runtime::current()->wall_now();
  bucket.object_lock = request.object_lock;
  if (request.object_lock) bucket.versioning = Versioning::kEnabled;
  bucket.configs = std::move(request.configs);
  for (std::size_t attempt = 0; attempt < kMaxRaces; ++attempt) {
    const auto there = co_await or_return(documents.read(bucket_path(request.name)));
    if (there) {
      const Bucket other = co_await or_return(decode_bucket(there->bytes));
      if (other.owner == request.owner)
        co_return fail(ErrorCode::kBucketOwnedByCaller,
                       "Your previous request to create the named bucket succeeded and you already own it.");
      co_return fail(ErrorCode::kBucketExists, "The requested bucket name is not available.");
    }
    auto written = co_await documents.replace(bucket_path(request.name), encode_bucket(bucket), {});
    if (!written && written.error().code() == ErrorCode::kConflict) continue;
    epoch_.advance();
    if (!written) co_return std::unexpected(written.error());
    co_return co_await buckets_->get(request.name);
  }
  co_return fail(ErrorCode::kConflict, "Other changes of this bucket came first.");
}

BucketRef ObjectStore::peek_bucket(std::string_view name) { return buckets_->peek(name); }

Task<Result<BucketRef>> ObjectStore::head_bucket(std::string name) {
  if (BucketRef known = buckets_->peek(name)) co_return known;
  co_return co_await buckets_->get(std::move(name));
}

Task<Result<void>> ObjectStore::delete_bucket(std::string name) {
  const StoreParts parts{*this};
  SystemStore& documents = buckets_->store();
  const auto not_empty = [] {
    return fail(ErrorCode::kBucketNotEmpty, "The bucket you tried to delete is not empty");
  };
  const auto document = co_await or_return(documents.read(bucket_path(name)));
  if (!document) co_return no_such_bucket();
  Bucket bucket = co_await or_return(decode_bucket(document->bytes));
  if (!co_await or_return(is_empty(&cluster_, bucket.id))) co_return not_empty();
  const Uuid token = Uuid::make(random_);
  bucket.deleting = token;
  ++bucket.epoch;
  const std::string revision =
      co_await or_return(documents.replace(document->path, encode_bucket(bucket), document->revision));
  epoch_.advance();
  auto frozen = co_await parts.set_gates(bucket.id, GatePayload::Action::kFreeze, bucket.epoch, token);
  if (frozen) frozen = co_await parts.abort_all_uploads(std::make_shared<const Bucket>(bucket));
  if (frozen) {
    frozen = co_await documents.remove_if(bucket_path(name), revision);
    epoch_.advance();
    co_return frozen;
  }
  // Takes the token back before it thaws: from then on this deletion cannot end.
  bucket.deleting = Uuid{};
  const auto restored = co_await documents.replace(bucket_path(name), encode_bucket(bucket), revision);
  epoch_.advance();
  if (restored)
    co_await or_return(parts.set_gates(bucket.id, GatePayload::Action::kThaw, bucket.epoch, token));
  co_return frozen;
}

Task<Result<ListBucketsResult>> ObjectStore::list_buckets(ListBucketsRequest request) {
  ListBucketsResult out;
  const std::size_t max = std::min<std::size_t>(request.max_buckets, limits::kMaxListBuckets);
  std::string after;
  if (!request.continuation_token.empty()) {
    const auto name = base::from_base64(request.continuation_token);
    if (!name) co_return fail(ErrorCode::kInvalidArgument, "The continuation token provided is incorrect");
    after = bucket_path(*name);
  }
  if (max == 0) co_return out;
  auto page = co_await or_return(buckets_->store().read_page(bucket_path(request.prefix), after, max + 1));
  out.is_truncated = page.size() > max;
  if (out.is_truncated) page.pop_back();
  for (const auto& document : page)
    out.buckets.push_back(std::make_shared<const Bucket>(co_await or_return(decode_bucket(document.bytes))));
  if (out.is_truncated) out.next_continuation_token = base::to_base64(out.buckets.back()->name);
  co_return out;
}

Task<Result<void>> ObjectStore::set_versioning(std::string name, Versioning state) {
  const auto mutate = [state](Bucket& bucket) -> Result<void> {
    if (state == Versioning::kUnversioned && bucket.versioning != Versioning::kUnversioned)
      return fail(ErrorCode::kInvalidBucketState, "Versioning is suspended, never taken away.");
    if (bucket.object_lock && state != Versioning::kEnabled)
      return fail(ErrorCode::kInvalidBucketState,
                  "An Object Lock configuration is present on this bucket, so the versioning state cannot be "
                  "changed.");
    bucket.versioning = state;
    return {};
  };
  co_await or_return(StoreParts{*this}.change_bucket(std::move(name), mutate, true));
  co_return {};
}

Task<Result<void>> ObjectStore::set_bucket_acl(std::string name, std::uint8_t acl, std::string grants) {
  const auto mutate = [acl, &grants](Bucket& bucket) -> Result<void> {
    bucket.acl = acl;
    bucket.grants = grants;
    return {};
  };
  co_await or_return(StoreParts{*this}.change_bucket(std::move(name), mutate, false));
  co_return {};
}

Task<Result<void>> ObjectStore::set_bucket_config(std::string name, std::string kind, std::string bytes) {
  if (bytes.size() > limits::kMaxBucketConfigBytes)
    co_return fail(ErrorCode::kEntityTooLarge, "This configuration is too large.");
  const auto mutate = [&kind, &bytes](Bucket& bucket) -> Result<void> {
    bucket.configs[kind] = bytes;
    return {};
  };
  co_await or_return(StoreParts{*this}.change_bucket(std::move(name), mutate, false));
  co_return {};
}

Task<Result<void>> ObjectStore::set_object_lock(std::string name, std::string kind, std::string bytes) {
  const auto mutate = [&kind, &bytes](Bucket& bucket) -> Result<void> {
    if (bucket.versioning != Versioning::kEnabled)
      return fail(ErrorCode::kInvalidBucketState,
                  "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration");
    bucket.object_lock = true;
    bucket.configs[kind] = bytes;
    return {};
  };
  co_await or_return(StoreParts{*this}.change_bucket(std::move(name), mutate, true));
  co_return {};
}

Task<Result<std::string>> ObjectStore::get_bucket_config(std::string name, std::string kind) {
  const BucketRef bucket = co_await or_return(buckets_->get(std::move(name)));
  const auto at = bucket->configs.find(kind);
  if (at == bucket->configs.end()) co_return fail(ErrorCode::kNoSuchConfiguration, kind);
  co_return at->second;
}

Task<Result<void>> ObjectStore::delete_bucket_config(std::string name, std::string kind) {
  const auto mutate = [&kind](Bucket& bucket) -> Result<void> {
    bucket.configs.erase(kind);
    return {};
  };
  co_await or_return(StoreParts{*this}.change_bucket(std::move(name), mutate, false));
  co_return {};
}

}  // namespace flashstor::objects
