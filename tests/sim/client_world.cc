#include "tests/sim/client_world.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/base/hex.h"
#include "engine/codec/checksum.h"
#include "tests/sim/probes.h"

/// What clients do, and what they write down of it.
namespace flashstor::sim {
namespace {

using Kind = KeyHistory::Kind;
using Outcome = KeyHistory::Outcome;

bool means_absent(ErrorCode code) {
  return code == ErrorCode::kNoSuchKey || code == ErrorCode::kIsDeleteMarker;
}

}  // namespace

std::size_t ClientWorld::draw_size() {
  if (client_plan_.large && chance(200)) return 1500 + below(9000);
  if (chance(300)) return 300 + below(1200);
  return 1 + below(120);
}

std::string ClientWorld::md5_of(std::string_view bytes) {
  const auto hasher = codec::make_hasher(codec::ChecksumKind::kMd5);
  hasher->update(std::as_bytes(std::span(bytes.data(), bytes.size())));
  return hasher->finish();
}

/// Bytes that no other content has.
int ClientWorld::new_content(std::size_t size) {
  std::string bytes = fmt::format("<{}>", contents_.size());
  bytes.reserve(size);
  std::uint64_t state = contents_.size() * 0x9e3779b97f4a7c15 + seed_;
  while (bytes.size() < size) {
    state = state * 6364136223846793005 + 1442695040888963407;
    bytes.push_back(static_cast<char>(state >> 56));
  }
  const int id = static_cast<int>(contents_.size());
  content_ids_[bytes] = id;
  etag_ids_[base::to_hex(md5_of(bytes))] = id;
  contents_.push_back(std::move(bytes));
  return id;
}

int ClientWorld::content_of(const std::string& bytes, const char* what) {
  const auto found = content_ids_.find(bytes);
  if (found != content_ids_.end()) return found->second;
  violate(fmt::format("{} gave {} bytes that nobody put", what, bytes.size()));
  return KeyHistory::kNothing;
}

int ClientWorld::content_of_etag(const std::string& etag) {
  const auto found = etag_ids_.find(etag);
  if (found != etag_ids_.end()) return found->second;
  violate("an ETag that nobody was given: " + etag);
  return KeyHistory::kNothing;
}

void ClientWorld::violate(std::string what) {
  note("FAILED: {}", what);
  if (failure_.empty()) failure_ = std::move(what);
}

void ClientWorld::make_keys(const ClientPlan& plan) {
  client_plan_ = plan;
  for (std::uint32_t i = 0; i < plan.keys; ++i) {
    keys_.push_back(std::make_unique<Key>(Key{
        .bucket = "plain", .name = fmt::format("k{}", i), .versioned = false, .history = KeyHistory(false)}));
    if (plan.versions)
      keys_.push_back(std::make_unique<Key>(Key{
          .bucket = "kept", .name = fmt::format("k{}", i), .versioned = true, .history = KeyHistory(true)}));
  }
}

bool ClientWorld::wait(const std::function<bool()>& done, Nanoseconds limit) {
  const std::int64_t end = world_.now_ns() + limit.count();
  while (!done()) {
    if (!failure_.empty() || world_.now_ns() > end) return false;
    if (++events_ > most_events_) {
      violate("more events than a schedule may have");
      return false;
    }
    world_.step();
  }
  return true;
}

Task<void> ClientWorld::set_up(ClientNode* node) {
  bool good = true;
  for (const char* name : {"plain", "kept", kTurned}) {
    if (name == kTurned && !client_plan_.turns) continue;
    const auto made = co_await node->store().create_bucket({.name = name, .owner = "sim", .region = {}});
    good = good && (made || made.error().code() == ErrorCode::kBucketOwnedByCaller);
  }
  if (good) good = (co_await node->store().set_versioning("kept", objects::Versioning::kEnabled)).has_value();
  if (good && client_plan_.moves) good = co_await set_up_moves(node);
  if (node->killed) co_return;
  setting_up_ = false;
  ready_buckets_ = good;
}

int ClientWorld::begin(const CallRef& call, Key& key, KeyHistory::Operation operation) {
  const int number = key.history.call(operation);
  if (!call->closed) {
    call->open.emplace_back(&key, number);
  } else {
    key.history.lose(number, call->life);
  }
  note("{}/{} op {} kind {} content {} begins", key.bucket, key.name, number,
       static_cast<int>(operation.kind), operation.content);
  return number;
}

void ClientWorld::end(const CallRef& call, Key& key, int number, Outcome outcome, int content) {
  if (call->closed) return;
  note("{}/{} op {} ends: {} content {}", key.bucket, key.name, number, static_cast<int>(outcome), content);
  std::erase(call->open, std::pair(&key, number));
  if (outcome == Outcome::kUnknown) {
    CLIENT_PROBE("unknown-outcome");
    key.history.lose(number, call->life);
    return;
  }
  key.history.answer(number, outcome, content);
  const bool reads = key.history.operation(number).kind >= Kind::kRead;
  if (outcome == Outcome::kDone && decides(*call, reads)) key.history.decide(call->life);
}

void ClientWorld::end_failed(const CallRef& call, Key& key, int number, const Error& error) {
  if (call->closed) return;
  note("{}/{} op {}: {}", key.bucket, key.name, number, error.describe());
  const ErrorCode code = error.code();
  const bool damage =
      code == ErrorCode::kNotFound || code == ErrorCode::kCorrupt || code == ErrorCode::kMalformed;
  if ((damage && !may_be_unreadable()) || code == ErrorCode::kInternal) {
    violate(fmt::format("{}/{}: {}", key.bucket, key.name, error.describe()));
  }
  key.refused_for_drives = code == ErrorCode::kReadQuorum;
  if (all_drives_stand() && code == ErrorCode::kReadQuorum)
    violate(fmt::format("{}/{} cannot be read though no drive failed: {}", key.bucket, key.name,
                        error.describe()));
  if (code == ErrorCode::kTimeout) CLIENT_PROBE("timed-out");
  if (code == ErrorCode::kReadOnly) CLIENT_PROBE("refused-read-only");
  end(call, key, number, code == ErrorCode::kUnknownOutcome ? Outcome::kUnknown : Outcome::kNever);
}

ClientWorld::CallRef ClientWorld::open_call(ClientNode& node) {
  auto call = std::make_shared<Call>();
  call->node = &node;
  call->life = node.life;
  call->led = node.leads(call->terms);
  open_calls_.push_back(call);
  return call;
}

void ClientWorld::close_calls(const ClientNode& node) {
  for (const CallRef& call : open_calls_) {
    if (call->node != &node) continue;
    call->closed = true;
    for (const auto& [key, number] : call->open) key->history.lose(number, call->life);
  }
  std::erase_if(open_calls_, [](const CallRef& call) { return call->closed; });
}

void ClientWorld::start_call(ClientNode& at) {
  ++calls_;
  const CallRef call = open_call(at);
  ClientNode* node = &at;
  Key* key = keys_[below(keys_.size())].get();
  const std::uint64_t kind = below(20);
  Task<void> work;
  if (client_plan_.moves && chance(300)) {
    work = move(node, call);
  } else if (client_plan_.turns && chance(150)) {
    work = turn(node, call);
  } else if (key->history.unknown() >= most_unknown_) {
    work = get(node, call, key);
  } else if (kind < 7) {
    work = put(node, call, key);
  } else if (kind < 12) {
    work = get(node, call, key);
  } else if (kind < 14) {
    work = remove(node, call, key, false);
  } else if (kind < 15) {
    work = list(node, call, key->versioned);
  } else if (kind < 17 && key->versioned) {
    work = chance(500) ? remove(node, call, key, true) : get_version(node, call, key);
  } else if (kind < 18 && client_plan_.copies) {
    work = copy(node, call, keys_[below(keys_.size())].get(), key);
  } else if (kind < 19 && client_plan_.uploads) {
    work = upload(node, call, key);
  } else {
    work = get(node, call, key);
  }
  node->spawn([](ClientWorld* world, CallRef mine, Task<void> inner) -> Task<void> {
    co_await std::move(inner);
    if (mine->closed) co_return;
    FLASHSTOR_CHECK(mine->open.empty());
    std::erase(world->open_calls_, mine);
  }(this, call, std::move(work)));
}

Task<void> ClientWorld::put(ClientNode* node, CallRef call, Key* key) {
  const int content = new_content(draw_size());
  KeyHistory::Operation operation{.kind = Kind::kPut, .content = content};
  objects::PutRequest request{.bucket = key->bucket, .key = key->name};
  if (client_plan_.reduced && chance(500))
    request.attributes.storage_class = objects::StorageClass::kReducedRedundancy;
  if (chance(150)) {
    operation.kind = Kind::kPutIfAbsent;
    request.conditions.if_none_match = {"*"};
  } else if (chance(150) && !contents_.empty()) {
    // Against something that was there a moment ago.
    auto head = co_await node->store().head_object({.bucket = key->bucket, .key = key->name});
    if (head && !call->closed) {
      operation.kind = Kind::kPutIfMatch;
      operation.expected = content_of_etag(head->info->etag);
      request.conditions.if_match = {head->info->etag};
    }
  }
  objects::BufferSource body(Buffer::copy_of(contents_[static_cast<std::size_t>(content)]), 999);
  request.body = &body;
  const int number = begin(call, *key, operation);
  const auto done = co_await node->store().put_object(std::move(request));
  const bool refused =
      !done && (done.error().code() == ErrorCode::kPreconditionFailed ||
                (done.error().code() == ErrorCode::kNoSuchKey && operation.kind == Kind::kPutIfMatch));
  if (done) {
    end(call, *key, number, Outcome::kDone);
    if (!call->closed && key->versioned) key->versions.emplace_back(number, done->version_id);
  } else if (refused) {
    CLIENT_PROBE("condition-refused");
    end(call, *key, number, Outcome::kRefused);
  } else {
    end_failed(call, *key, number, done.error());
  }
}

Task<Result<std::string>> ClientWorld::read_all(ClientNode* node, objects::GetRequest request) {
  auto found = co_await or_return(node->store().get_object(std::move(request)));
  std::string bytes;
  while (true) {
    const BufferChain window = co_await or_return(found.reader->next());
    if (window.empty()) break;
    bytes.append(window.flatten().view());
  }
  if (bytes.size() != found.length) violate("a read gave more or less than it said");
  co_return bytes;
}

Task<void> ClientWorld::get(ClientNode* node, CallRef call, Key* key) {
  const int number = begin(call, *key, {.kind = Kind::kRead});
  if (chance(300)) {
    const auto head = co_await node->store().head_object({.bucket = key->bucket, .key = key->name});
    if (call->closed) co_return;
    if (head || means_absent(head.error().code())) {
      end(call, *key, number, Outcome::kDone,
          head ? content_of_etag(head->info->etag) : KeyHistory::kNothing);
    } else {
      end_failed(call, *key, number, head.error());
    }
    co_return;
  }
  const auto bytes = co_await read_all(node, {.bucket = key->bucket, .key = key->name});
  if (call->closed) co_return;
  if (bytes) {
    end(call, *key, number, Outcome::kDone, content_of(*bytes, "GET"));
  } else if (means_absent(bytes.error().code())) {
    end(call, *key, number, Outcome::kDone, KeyHistory::kNothing);
  } else {
    end_failed(call, *key, number, bytes.error());
  }
}

Task<void> ClientWorld::get_version(ClientNode* node, CallRef call, Key* key) {
  if (key->versions.empty()) co_return;
  const auto [target, id] = key->versions[below(key->versions.size())];
  const int number = begin(call, *key, {.kind = Kind::kReadVersion, .target = target});
  const auto bytes = co_await read_all(node, {.bucket = key->bucket, .key = key->name, .version_id = id});
  if (call->closed) co_return;
  if (bytes) {
    const int content = content_of(*bytes, "GET of a version");
    if (content != key->history.operation(target).content) violate("another version's bytes");
    end(call, *key, number, Outcome::kDone, content);
  } else if (bytes.error().code() == ErrorCode::kNoSuchVersion) {
    end(call, *key, number, Outcome::kRefused);
  } else if (bytes.error().code() == ErrorCode::kIsDeleteMarker) {
    end(call, *key, number, Outcome::kDone);
  } else {
    end_failed(call, *key, number, bytes.error());
  }
}

Task<void> ClientWorld::remove(ClientNode* node, CallRef call, Key* key, bool version) {
  KeyHistory::Operation operation{.kind = Kind::kDelete};
  objects::DeleteRequest request{.bucket = key->bucket, .key = key->name};
  if (version) {
    if (key->versions.empty()) co_return;
    const auto& [target, id] = key->versions[below(key->versions.size())];
    operation = {.kind = Kind::kDeleteVersion, .target = target};
    request.version_id = id;
  }
  const int number = begin(call, *key, operation);
  const auto done = co_await node->store().delete_object(std::move(request));
  if (!done) {
    end_failed(call, *key, number, done.error());
    co_return;
  }
  end(call, *key, number, Outcome::kDone);
  if (!call->closed && key->versioned && !version) key->versions.emplace_back(number, done->version_id);
}

/// For each key of the bucket a listing is a read of what is there.
Task<void> ClientWorld::list(ClientNode* node, CallRef call, bool versioned) {
  std::vector<std::pair<Key*, int>> reads;
  for (const auto& key : keys_)
    if (key->versioned == versioned) reads.emplace_back(key.get(), begin(call, *key, {.kind = Kind::kRead}));
  std::map<std::string, std::string> seen;
  objects::ListRequest request{.bucket = versioned ? "kept" : "plain"};
  request.max_keys = chance(500) ? 1 : 1000;
  while (true) {
    auto page = co_await node->store().list_objects(request);
    if (call->closed) co_return;
    if (!page) {
      for (const auto& [key, number] : reads) end_failed(call, *key, number, page.error());
      co_return;
    }
    for (const auto& object : page->objects)
      if (!seen.emplace(object.key, object.etag).second) violate("a listing shows a key twice");
    if (!page->is_truncated) break;
    request.continuation_token = page->next_continuation_token;
  }
  for (const auto& [key, number] : reads) {
    const auto found = seen.find(key->name);
    const int content = found == seen.end() ? KeyHistory::kNothing : content_of_etag(found->second);
    end(call, *key, number, Outcome::kDone, content);
  }
}

void ClientWorld::check_histories() {
  for (const auto& key : keys_) {
    bool undetermined = false;
    const std::string bad = key->history.check(undetermined);
    if (undetermined) ++undetermined_;
    if (!bad.empty()) violate(fmt::format("{}/{}: {}", key->bucket, key->name, bad));
  }
}

}  // namespace flashstor::sim
