#include "engine/storage/shard_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engine/base/codec.h"
#include "engine/storage/commit_log/log_format.h"
#include "engine/storage/limits.h"

namespace flashstor::storage {
namespace {

constexpr std::string_view kFooterMagic = "FLSHSHR1";
constexpr std::size_t kTrailerBytes = 24;  // footer bytes, magic, then the checksum in front of them
constexpr std::size_t kMaxFooterBytes = 32 * limits::kMiB;

std::span<const std::byte> bytes_of(std::string_view view) { return std::as_bytes(std::span(view)); }

std::unexpected<Error> bad_footer(const char* words) {
  return fail(ErrorCode::kCorrupt, std::string("footer of a shard file: ") + words);
}

}  // namespace

std::string encode_footer(const ShardFooter& footer) {
  ByteWriter out;
  out.u16(1);
  encode_data_ref(out, footer.data);
  out.u8(footer.shard).varint(footer.checksums.size());
  for (const codec::Hash128& sum : footer.checksums) out.u64(sum.low).u64(sum.high);
  std::string bytes = out.take();
  const auto body_bytes = static_cast<std::uint32_t>(bytes.size());
  bytes.resize(round_to_block(bytes.size() + 16 + kTrailerBytes) - 16 - kTrailerBytes, '\0');
  ByteWriter sealed(std::move(bytes));
  const codec::Hash128 sum = codec::xxh3_128(bytes_of(sealed.view()), body_bytes);
  sealed.u64(sum.low).u64(sum.high).u32(body_bytes);
  sealed.u32(static_cast<std::uint32_t>(sealed.view().size() + kTrailerBytes - 4))
      .u64(0)
      .append(kFooterMagic);
  return sealed.take();
}

Result<ShardFooter> decode_footer(std::string_view bytes) {
  if (bytes.size() < 16 + kTrailerBytes) return bad_footer("cut off");
  ByteReader tail(bytes.substr(bytes.size() - kTrailerBytes));
  const std::uint32_t body_bytes = tail.u32();
  const std::uint32_t total = tail.u32();
  (void)tail.u64();
  if (tail.rest() != kFooterMagic) return bad_footer("not there (the file was never finished)");
  if (total > bytes.size() || total < 16 + kTrailerBytes || body_bytes > total - 16 - kTrailerBytes)
    return bad_footer("its size cannot be");
  const std::string_view whole = bytes.substr(bytes.size() - total);
  const std::string_view padded = whole.substr(0, whole.size() - 16 - kTrailerBytes);
  ByteReader sums(whole.substr(padded.size(), 16));
  const std::uint64_t low = sums.u64();
  const std::uint64_t high = sums.u64();
  if (codec::xxh3_128(bytes_of(padded), body_bytes) != codec::Hash128{low, high})
    return bad_footer("does not match its checksum");
  ByteReader in(padded.substr(0, body_bytes));
  ShardFooter footer;
  if (in.u16() != 1) return bad_footer("of an unknown version");
  footer.data = decode_data_ref(in);
  footer.shard = in.u8();
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    codec::Hash128 sum;
    sum.low = in.u64();
    sum.high = in.u64();
    footer.checksums.push_back(sum);
  }
  if (!in.ok() || !in.at_end() || footer.data.place != DataPlace::kFile ||
      footer.checksums.size() != block_count_of(footer.data))
    return bad_footer("does not parse");
  return footer;
}

Result<ShardFooter> read_footer(File& file) {
  const auto size = file.size();
  if (!size) return std::unexpected(size.error());
  std::size_t want = std::min<std::uint64_t>(*size, 64 * limits::kKiB);
  for (int round = 0; round < 2; ++round) {
    std::string bytes(want, '\0');
    auto got = file.read(std::as_writable_bytes(std::span(bytes)), *size - want);
    if (!got) return std::unexpected(got.error());
    if (*got != want || want < kTrailerBytes) return bad_footer("cut off");
    ByteReader tail(std::string_view(bytes).substr(want - kTrailerBytes + 4));
    const std::uint32_t total = tail.u32();
    if (total <= want) return decode_footer(bytes);
    if (total > *size || total > kMaxFooterBytes) return bad_footer("its size cannot be");
    want = total;
  }
  return bad_footer("its size cannot be");
}

Result<void> verify_blocks(const DataRef& data, const std::vector<codec::Hash128>& checksums,
                           std::uint32_t first_block, std::span<const std::byte> blocks) {
  const std::size_t block = block_bytes_of(data);
  std::uint32_t index = first_block;
  for (std::size_t at = 0; at < blocks.size(); at += block, ++index) {
    if (index < checksums.size() &&
        codec::xxh3_128(blocks.subspan(at, std::min(block, blocks.size() - at))) == checksums[index])
      continue;
    return fail(ErrorCode::kCorrupt,
                fmt::format("shard block {} of {} does not match its checksum", index, data.id.to_text()));
  }
  return {};
}

Result<ShardFileWriter> ShardFileWriter::create(FileIo& io, const std::string& path,
                                                std::uint64_t expected_bytes) {
  if (auto there = io.exists(path); there && *there) {
    if (auto removed = io.remove(path); !removed) return std::unexpected(removed.error());
  }
  bool direct = true;
  auto file = io.open(path, OpenMode::kCreate, true);
  if (!file && file.error().code() == ErrorCode::kNotSupported) {
    direct = false;
    file = io.open(path, OpenMode::kCreate, false);
  }
  if (!file) return std::unexpected(file.error());
  if (expected_bytes > 0)
    if (auto done = (*file)->preallocate(expected_bytes); !done) {
      (void)io.remove(path);
      return std::unexpected(done.error());
    }
  return ShardFileWriter(std::move(*file), direct);
}

Result<void> ShardFileWriter::write(std::span<const std::byte> bytes) {
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % limits::kLogBlockBytes == 0 &&
                       bytes.size() % limits::kLogBlockBytes == 0;
  if (direct_ && !aligned) {
    Buffer copy = Buffer::allocate(round_to_block(bytes.size()));
    std::memcpy(copy.writable(), bytes.data(), bytes.size());
    std::memset(copy.writable() + bytes.size(), 0, copy.size() - bytes.size());
    return file_->write(copy.span(), offset_);
  }
  return file_->write(bytes, offset_);
}

Result<void> ShardFileWriter::append(std::span<const std::byte> blocks, std::size_t block_bytes) {
  if (block_bytes == 0 || offset_ % limits::kLogBlockBytes != 0)
    return fail(ErrorCode::kInvalidArgument, "a shard file takes no block after a short one");
  for (std::size_t at = 0; at < blocks.size(); at += block_bytes)
    checksums_.push_back(codec::xxh3_128(blocks.subspan(at, std::min(block_bytes, blocks.size() - at))));
  if (auto done = write(blocks); !done) return done;
  offset_ += blocks.size();
  return {};
}

Result<void> ShardFileWriter::finish(const DataRef& data, std::uint8_t shard) {
  if (offset_ != shard_bytes_of(data) || checksums_.size() != block_count_of(data))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} bytes in {} blocks are no shard of {} object bytes", offset_,
                            checksums_.size(), data.length));
  const std::string footer = encode_footer({data, shard, std::move(checksums_)});
  offset_ = round_to_block(offset_);
  if (auto done = write(bytes_of(footer)); !done) return done;
  offset_ += footer.size();
  if (auto done = file_->truncate(offset_); !done) return done;
  return file_->sync();
}

}  // namespace flashstor::storage
