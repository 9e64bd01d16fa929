#include <fmt/core.h>

#include "engine/base/hex.h"
#include "tests/sim/client_world.h"
#include "tests/sim/probes.h"

/// What clients do beside reading and writing whole objects.
namespace flashstor::sim {

using Kind = KeyHistory::Kind;
using Outcome = KeyHistory::Outcome;

/// The content that it copies is named in the request, so that it is known even when the outcome is not.
Task<void> ClientWorld::copy(ClientNode* node, CallRef call, Key* source, Key* key) {
  if (source == key) co_return;
  const auto head = co_await node->store().head_object({.bucket = source->bucket, .key = source->name});
  if (!head || call->closed) co_return;
  const int content = content_of_etag(head->info->etag);
  objects::CopyRequest request{.source_bucket = source->bucket, .source_key = source->name};
  request.source_conditions.if_match = {head->info->etag};
  request.bucket = key->bucket;
  request.key = key->name;
  const int number = begin(call, *key, {.kind = Kind::kPut, .content = content});
  const auto done = co_await node->store().copy_object(std::move(request));
  if (done) {
    CLIENT_PROBE("copied");
    end(call, *key, number, Outcome::kDone);
    if (!call->closed && key->versioned) key->versions.emplace_back(number, done->version_id);
  } else {
    end_failed(call, *key, number, done.error());
  }
}

Task<void> ClientWorld::upload(ClientNode* node, CallRef call, Key* key) {
  objects::ObjectStore& store = node->store();
  const auto made = co_await store.create_upload({.bucket = key->bucket, .key = key->name});
  if (!made || call->closed) co_return;
  const int content = new_content(200 + draw_size());
  const std::string bytes = contents_[static_cast<std::size_t>(content)];
  objects::CompleteUploadRequest request{
      .bucket = key->bucket, .key = key->name, .upload_id = made->upload_id};
  const std::size_t parts = 1 + below(3);
  std::string digests;
  for (std::size_t i = 0; i < parts; ++i) {
    const std::size_t from = bytes.size() * i / parts;
    const std::string part = bytes.substr(from, bytes.size() * (i + 1) / parts - from);
    objects::BufferSource body(Buffer::copy_of(part), 999);
    objects::UploadPartRequest put{.bucket = key->bucket, .key = key->name, .upload_id = made->upload_id};
    put.part_number = static_cast<std::uint32_t>(i + 1);
    put.body = &body;
    const auto done = co_await store.upload_part(std::move(put));
    if (!done || call->closed) co_return;
    request.parts.push_back({.number = static_cast<std::uint32_t>(i + 1), .etag = done->etag});
    digests += md5_of(part);
  }
  if (chance(150)) {
    static_cast<void>(
        co_await store.abort_upload({.bucket = key->bucket, .key = key->name, .upload_id = made->upload_id}));
    co_return;
  }
  etag_ids_[fmt::format("{}-{}", base::to_hex(md5_of(digests)), parts)] = content;
  const int number = begin(call, *key, {.kind = Kind::kPut, .content = content});
  const auto done = co_await store.complete_upload(std::move(request));
  if (done) {
    CLIENT_PROBE("upload-completed");
    end(call, *key, number, Outcome::kDone);
    if (!call->closed && key->versioned) key->versions.emplace_back(number, done->version_id);
  } else {
    end_failed(call, *key, number, done.error());
  }
}

/// Once the change of a bucket was answered, no write that begins goes by what its node knew before.
Task<void> ClientWorld::turn(ClientNode* node, CallRef call) {
  if (turned_ == Turned::kNo && chance(150)) {
    turned_ = Turned::kAsked;
    const auto done = co_await node->store().set_versioning(kTurned, objects::Versioning::kEnabled);
    if (done && !call->closed) NET_PROBE("versioning-turned-on");
    turned_ = done && !call->closed ? Turned::kAnswered : Turned::kNo;
    co_return;
  }
  const bool answered = turned_ == Turned::kAnswered;
  objects::BufferSource body(Buffer::copy_of("turned"), 999);
  objects::PutRequest request{.bucket = kTurned, .key = "t"};
  request.body = &body;
  const auto done = co_await node->store().put_object(std::move(request));
  if (call->closed || !done || !answered) co_return;
  if (done->version_id.empty() || done->version_id == "null")
    violate("a write made no version though versioning had been turned on before it began");
}

}  // namespace flashstor::sim
