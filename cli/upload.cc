#include <vector>

#include "cli/digest.h"
#include "cli/limits.h"
#include "cli/local_file.h"
#include "cli/multipart.h"
#include "cli/s3_error.h"
#include "cli/transfers.h"
#include "cli/upload_record.h"
#include "engine/base/hex.h"

namespace flashstor::cli {
namespace {

BodyReader slice_reader(std::shared_ptr<const LocalFile> file, std::uint64_t start) {
  return [file = std::move(file), start](std::uint64_t offset, std::span<char> into) {
    return file->read_at(start + offset, into);
  };
}

/// Whether the file's own bytes are what the server has: a part's ETag is its MD5.
bool holds(const LocalFile& file, const PartPlan& plan, const PartInfo& part) {
  if (part.number < 1 || part.number > plan.count() || part.size != plan.size_of(part.number)) return false;
  Digest digest(Digest::Kind::kMd5);
  std::vector<char> block(limits::kMiB);
  const std::uint64_t start = plan.offset_of(part.number);
  for (std::uint64_t done = 0; done < part.size;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), part.size - done));
    const auto got = file.read_at(start + done, {block.data(), wanted});
    if (!got || *got == 0) return false;
    digest.add({block.data(), *got});
    done += *got;
  }
  return base::to_hex(digest.finish()) == part.etag;
}

std::vector<PartInfo> parts_present(const RemoteObject& to, const std::string& upload_id,
                                    const LocalFile& file, const PartPlan& plan, bool& upload_is_gone) {
  std::vector<PartInfo> present;
  const auto listed = to.client->list_parts(to.bucket, to.key, upload_id);
  upload_is_gone = !listed && !is_passing(listed.error());
  if (!listed) return present;
  for (const PartInfo& part : *listed)
    if (holds(file, plan, part)) present.push_back(part);
  return present;
}

}  // namespace

void Transfers::upload(const std::string& path, std::uint64_t bytes, WallTime modified,
                       const RemoteObject& to, const TransferOptions& options, Done done) {
  progress_.expect(1, bytes);
  if (bytes > limits::kMultipartBytes) {
    upload_parts(path, bytes, modified, to, options, std::move(done));
    return;
  }
  pool_.submit([this, path, bytes, to, options, done = std::move(done)] {
    auto file = LocalFile::open_read(path);
    if (!file) return done(std::unexpected(file.error()));
    const auto shared = std::make_shared<const LocalFile>(std::move(*file));
    const auto etag = to.client->put_object(to.bucket, to.key, options.put, slice_reader(shared, 0), bytes,
                                            progress_counter(progress_));
    if (!etag) return done(std::unexpected(etag.error()));
    progress_.add_file();
    done({});
  });
}

void Transfers::upload_parts(const std::string& path, std::uint64_t bytes, WallTime modified,
                             const RemoteObject& to, const TransferOptions& options, Done done) {
  auto opened = LocalFile::open_read(path);
  if (!opened) return done(std::unexpected(opened.error()));
  const auto file = std::make_shared<const LocalFile>(std::move(*opened));
  const PartPlan plan = PartPlan::of(bytes, limits::kPartBytes);
  const auto record = std::make_shared<UploadRecord>(UploadRecord::open(path, plan, modified, to));
  std::vector<PartInfo> present;
  std::string upload_id = record->upload_id();
  if (!upload_id.empty()) {
    bool gone = false;
    present = parts_present(to, upload_id, *file, plan, gone);
    if (gone) upload_id.clear();
    for (const PartInfo& part : present) progress_.add_bytes(part.size);
  }
  if (upload_id.empty()) {
    auto created = to.client->create_upload(to.bucket, to.key, options.put);
    if (!created) {
      record->forget();
      return done(std::unexpected(created.error()));
    }
    upload_id = std::move(*created);
    record->remember(upload_id);
  }
  const auto send = [this, to, file, upload_id](int number, std::uint64_t offset, std::uint64_t part_bytes) {
    return to.client->upload_part(to.bucket, to.key, upload_id, number, slice_reader(file, offset),
                                  part_bytes, progress_counter(progress_));
  };
  const auto end = [this, record, done = std::move(done)](Result<void> result) {
    const bool may_resume =
        !result && (result.error().code() == ErrorCode::kCancelled || is_passing(result.error()));
    if (!may_resume) record->forget();
    if (result) progress_.add_file();
    done(std::move(result));
  };
  std::make_shared<MultipartJob>(*to.client, to.bucket, to.key, upload_id, plan, send, end)
      ->start(pool_, present);
}

}  // namespace flashstor::cli
