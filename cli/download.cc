#include <filesystem>

#include "cli/limits.h"
#include "cli/local_file.h"
#include "cli/part_file.h"
#include "cli/transfers.h"

namespace flashstor::cli {
namespace {

std::string identity_of(const RemoteObject& from) {
  return from.client->alias().url.text() + "\n" + from.bucket + "\n" + from.key + "\n" + from.version_id +
         "\n" + from.info.etag;
}

/// One download of several ranges: they share the part file, and the last to end finishes it.
struct RangedDownload {
  RemoteObject from;
  std::string path;
  TransferOptions options;
  Transfers::Done done;
  std::unique_ptr<PartFile> part;
  PartPlan plan;
  std::mutex mutex;
  std::optional<Error> error;
  std::atomic<int> left{0};

  void fetch(int number, Progress& progress) {
    {
      const std::lock_guard lock(mutex);
      if (error) return;
    }
    std::uint64_t at = plan.offset_of(number);
    const GetOptions get{at, plan.size_of(number), from.version_id, from.info.etag};
    auto got = from.client->get_object(from.bucket, from.key, get, [&](std::string_view bytes) {
      auto written = part->write(at, bytes);
      at += bytes.size();
      progress.add_bytes(bytes.size());
      return written;
    });
    if (got && at != plan.offset_of(number) + plan.size_of(number))
      got = fail(ErrorCode::kIncompleteBody, "the server sent another number of bytes than asked for");
    if (got) got = part->mark(number);
    const std::lock_guard lock(mutex);
    if (!got && !error) error = got.error();
  }

  void end(Progress& progress) {
    if (--left > 0) return;
    Result<void> result;
    if (error) result = std::unexpected(*error);
    if (result) result = part->finish();
    if (result && options.preserve) result = set_modified(path, from.info.modified);
    if (result) progress.add_file();
    part.reset();
    done(std::move(result));
  }
};

}  // namespace

void Transfers::download(const RemoteObject& from, const std::string& path, const TransferOptions& options,
                         Done done) {
  const std::uint64_t bytes = from.info.size;
  progress_.expect(1, bytes);
  auto made = make_folders(std::filesystem::path(path).parent_path());
  if (!made) return done(std::move(made));
  if (std::error_code ignored; std::filesystem::is_directory(path, ignored))
    return done(fail(ErrorCode::kIsDirectory, path + " is a folder"));
  if (bytes > limits::kMultipartBytes) {
    download_parts(from, path, options, std::move(done));
    return;
  }
  pool_.submit([this, from, path, options, bytes, done = std::move(done)] {
    auto file = LocalFile::open_locked(path + ".part", 0666);
    if (!file) return done(std::unexpected(file.error()));
    std::uint64_t at = 0;
    Result<void> got = file->truncate(0);
    if (got) {
      const GetOptions get{0, 0, from.version_id, from.info.etag};
      got = from.client->get_object(from.bucket, from.key, get, [&](std::string_view part) {
        auto written = file->write_at(at, part);
        at += part.size();
        progress_.add_bytes(part.size());
        return written;
      });
    }
    if (got && at != bytes)
      got = fail(ErrorCode::kIncompleteBody, "the server sent another number of bytes than it told");
    if (got) got = rename_over(path + ".part", path);
    if (!got) {
      std::error_code ignored;
      std::filesystem::remove(path + ".part", ignored);
      return done(std::move(got));
    }
    if (options.preserve) got = set_modified(path, from.info.modified);
    progress_.add_file();
    done(std::move(got));
  });
}

void Transfers::download_parts(const RemoteObject& from, const std::string& path,
                               const TransferOptions& options, Done done) {
  const PartPlan plan = PartPlan::of(from.info.size, limits::kRangeBytes);
  auto part = PartFile::open(path, identity_of(from), plan);
  if (!part) return done(std::unexpected(part.error()));
  const auto job =
      std::make_shared<RangedDownload>(from, path, options, std::move(done), std::move(*part), plan);
  std::vector<int> missing;
  for (int number = 1; number <= plan.count(); ++number) {
    if (job->part->has(number)) {
      progress_.add_bytes(plan.size_of(number));
    } else {
      missing.push_back(number);
    }
  }
  job->left = static_cast<int>(missing.size()) + 1;
  for (const int number : missing) {
    pool_.submit([this, job, number] {
      job->fetch(number, progress_);
      job->end(progress_);
    });
  }
  pool_.submit([this, job] { job->end(progress_); });
}

}  // namespace flashstor::cli
