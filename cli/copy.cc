#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "cli/limits.h"
#include "cli/multipart.h"
#include "cli/transfers.h"

namespace flashstor::cli {
namespace {

BodyReader memory_reader(std::shared_ptr<const std::string> bytes) {
  return [bytes = std::move(bytes)](std::uint64_t offset, std::span<char> into) -> Result<std::size_t> {
    const std::size_t count =
        std::min(into.size(), bytes->size() - std::min<std::size_t>(bytes->size(), offset));
    std::memcpy(into.data(), bytes->data() + offset, count);
    return count;
  };
}

Result<std::shared_ptr<const std::string>> fetch(const RemoteObject& from, std::uint64_t offset,
                                                 std::uint64_t bytes) {
  auto held = std::make_shared<std::string>();
  held->reserve(bytes);
  const bool whole = offset == 0 && bytes == from.info.size;
  const GetOptions get{offset, whole ? 0 : bytes, from.version_id, from.info.etag};
  const auto got =
      from.client->get_object(from.bucket, from.key, get, [&](std::string_view part) -> Result<void> {
        held->append(part);
        return {};
      });
  if (!got) return std::unexpected(got.error());
  if (held->size() != bytes) return fail(ErrorCode::kIncompleteBody, "the source changed its size");
  return held;
}

}  // namespace

std::function<void(std::uint64_t)> progress_counter(Progress& progress) {
  return [&progress, farthest = std::uint64_t{0}](std::uint64_t sent) mutable {
    if (sent <= farthest) return;
    progress.add_bytes(sent - farthest);
    farthest = sent;
  };
}

PutOptions put_options_of(const ObjectInfo& info) {
  PutOptions options;
  options.content_type = info.content_type;
  options.metadata = info.metadata;
  options.system = info.system;
  return options;
}

Transfers::Transfers(Session& session)
    : session_(session),
      progress_(session.output),
      pool_(session.options.transfers, [this] { progress_.draw(); }) {}

void Transfers::copy(const RemoteObject& from, const RemoteObject& to, const TransferOptions& options,
                     Done done) {
  progress_.expect(1, from.info.size);
  if (from.client == to.client) {
    copy_inside(from, to, options, std::move(done));
  } else {
    relay(from, to, options, std::move(done));
  }
}

void Transfers::copy_inside(const RemoteObject& from, const RemoteObject& to, const TransferOptions& options,
                            Done done) {
  if (from.info.size <= limits::kMaxCopyBytes) {
    pool_.submit([this, from, to, options, done = std::move(done)] {
      auto copied = to.client->copy_object(from.bucket, from.key, from.version_id, to.bucket, to.key,
                                           options.put, options.replace_metadata);
      if (copied) progress_.add_bytes(from.info.size);
      if (copied) progress_.add_file();
      done(std::move(copied));
    });
    return;
  }
  const auto head = from.client->head_object(from.bucket, from.key, from.version_id);
  if (!head) return done(std::unexpected(head.error()));
  const PutOptions put = options.replace_metadata ? options.put : put_options_of(*head);
  const auto upload_id = to.client->create_upload(to.bucket, to.key, put);
  if (!upload_id) return done(std::unexpected(upload_id.error()));
  const PartPlan plan = PartPlan::of(from.info.size, limits::kCopyPartBytes);
  const std::string source = copy_source(from.bucket, from.key, from.version_id);
  const auto send = [this, source, etag = head->etag, to, id = *upload_id](int number, std::uint64_t offset,
                                                                           std::uint64_t bytes) {
    auto part = to.client->copy_part(source, fmt::format("bytes={}-{}", offset, offset + bytes - 1), etag,
                                     to.bucket, to.key, id, number);
    if (part) progress_.add_bytes(bytes);
    return part;
  };
  const auto end = [this, done = std::move(done)](Result<void> result) {
    if (result) progress_.add_file();
    done(std::move(result));
  };
  std::make_shared<MultipartJob>(*to.client, to.bucket, to.key, *upload_id, plan, send, end)
      ->start(pool_, {});
}

void Transfers::relay(const RemoteObject& from, const RemoteObject& to, const TransferOptions& options,
                      Done done) {
  if (from.info.size <= limits::kPartBytes) {
    pool_.submit([this, from, to, options, done = std::move(done)] {
      const auto head = from.client->head_object(from.bucket, from.key, from.version_id);
      if (!head) return done(std::unexpected(head.error()));
      const auto bytes = fetch(from, 0, from.info.size);
      if (!bytes) return done(std::unexpected(bytes.error()));
      const PutOptions put = options.replace_metadata ? options.put : put_options_of(*head);
      const auto etag = to.client->put_object(to.bucket, to.key, put, memory_reader(*bytes), from.info.size,
                                              progress_counter(progress_));
      if (!etag) return done(std::unexpected(etag.error()));
      progress_.add_file();
      done({});
    });
    return;
  }
  const auto head = from.client->head_object(from.bucket, from.key, from.version_id);
  if (!head) return done(std::unexpected(head.error()));
  const PutOptions put = options.replace_metadata ? options.put : put_options_of(*head);
  const auto upload_id = to.client->create_upload(to.bucket, to.key, put);
  if (!upload_id) return done(std::unexpected(upload_id.error()));
  const PartPlan plan = PartPlan::of(from.info.size, limits::kPartBytes);
  const auto send = [this, from, to, id = *upload_id](int number, std::uint64_t offset,
                                                      std::uint64_t bytes) -> Result<std::string> {
    const auto held = fetch(from, offset, bytes);
    if (!held) return std::unexpected(held.error());
    return to.client->upload_part(to.bucket, to.key, id, number, memory_reader(*held), bytes,
                                  progress_counter(progress_));
  };
  const auto end = [this, done = std::move(done)](Result<void> result) {
    if (result) progress_.add_file();
    done(std::move(result));
  };
  std::make_shared<MultipartJob>(*to.client, to.bucket, to.key, *upload_id, plan, send, end)
      ->start(pool_, {});
}

}  // namespace flashstor::cli
