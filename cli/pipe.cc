#include "cli/pipe.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>

#include "cli/interrupt.h"
#include "cli/limits.h"
#include "cli/transfer_pool.h"

namespace flashstor::cli {
namespace {

using Block = std::shared_ptr<const std::string>;

BodyReader reader_of(Block block) {
  return [block = std::move(block)](std::uint64_t offset, std::span<char> into) -> Result<std::size_t> {
    const auto from = std::min<std::size_t>(static_cast<std::size_t>(offset), block->size());
    const std::size_t count = std::min(into.size(), block->size() - from);
    std::memcpy(into.data(), block->data() + from, count);
    return count;
  };
}

/// Up to `bytes` of the stream; fewer only at its end.
Result<Block> next_block(const StreamReader& read, std::uint64_t bytes) {
  std::string block(bytes, '\0');
  std::size_t filled = 0;
  while (filled < block.size()) {
    if (interrupted()) return fail(ErrorCode::kCancelled, "interrupted");
    const auto got = read({block.data() + filled, block.size() - filled});
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    filled += *got;
  }
  block.resize(filled);
  return std::make_shared<const std::string>(std::move(block));
}

/// Part sizes 16 MiB for the first thousand parts, then twice as much for each further thousand: 10,000 parts
/// are over 5 TiB.
std::uint64_t part_bytes_of(int number) {
  return std::min<std::uint64_t>(limits::kPartBytes << std::min((number - 1) / 1000, 6),
                                 limits::kMaxPartBytes);
}

/// The parts under way, at most `most` of them, and what came of them.
struct Parts {
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t running = 0;
  std::vector<PartInfo> done;
  std::optional<Error> error;

  bool begin(std::size_t most) {
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return running < most; });
    if (error) return false;
    ++running;
    return true;
  }
  void end(int number, Result<std::string> etag) {
    const std::lock_guard lock(mutex);
    --running;
    if (etag) {
      done.push_back({number, 0, std::move(*etag)});
    } else if (!error) {
      error = etag.error();
    }
    ended.notify_one();
  }
};

}  // namespace

Result<std::uint64_t> upload_stream(Session& session, S3Client& client, const std::string& bucket,
                                    const std::string& key, const PutOptions& options,
                                    const StreamReader& read) {
  auto block = next_block(read, part_bytes_of(1));
  if (!block) return std::unexpected(block.error());
  std::uint64_t total = (*block)->size();
  if (total < part_bytes_of(1)) {
    const auto etag = client.put_object(bucket, key, options, reader_of(*block), total);
    if (!etag) return std::unexpected(etag.error());
    return total;
  }
  const auto upload_id = client.create_upload(bucket, key, options);
  if (!upload_id) return std::unexpected(upload_id.error());
  Parts parts;
  {
    const std::size_t most =
        std::min<std::size_t>(session.options.transfers, 4);  // Each holds its part in memory.
    TransferPool pool(most);
    for (int number = 1; block && !(*block)->empty() && parts.begin(most); ++number) {
      pool.submit([&, number, held = *block] {
        parts.end(number,
                  client.upload_part(bucket, key, *upload_id, number, reader_of(held), held->size(), {}));
      });
      block = next_block(read, part_bytes_of(number + 1));
      if (block) total += (*block)->size();
    }
    pool.drain();
  }
  if (!block) parts.error = block.error();
  std::ranges::sort(parts.done, {}, &PartInfo::number);
  if (!parts.error) {
    const auto etag = client.complete_upload(bucket, key, *upload_id, parts.done);
    if (etag) return total;
    parts.error = etag.error();
  }
  static_cast<void>(client.abort_upload(bucket, key, *upload_id));
  return std::unexpected(*parts.error);
}

}  // namespace flashstor::cli
