#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/buffer.h"
#include "engine/codec/checksum.h"
#include "engine/storage/entry.h"
#include "engine/storage/file_io.h"

/// A shard file: shard blocks one after the other, zero padded to a block of 4 KiB, then the footer, which
/// ends the file. Source: docs/on-disk-format.md, Shard file.
namespace flashstor::storage {

struct ShardFooter {
  DataRef data;
  std::uint8_t shard = 0;
  std::vector<codec::Hash128> checksums;  ///< One for each shard block.
};

/// Padded to 4 KiB.
[[nodiscard]] std::string encode_footer(const ShardFooter& footer);
/// The footer that `bytes` (the end of a file) ends with. Errors: kCorrupt.
[[nodiscard]] Result<ShardFooter> decode_footer(std::string_view bytes);
/// Reads and checks the footer of an open file. Errors: kCorrupt, kIo.
[[nodiscard]] Result<ShardFooter> read_footer(File& file);

/// Compares shard blocks from `first_block` on with their checksums. Errors: kCorrupt, naming the block.
[[nodiscard]] Result<void> verify_blocks(const DataRef& data, const std::vector<codec::Hash128>& checksums,
                                         std::uint32_t first_block, std::span<const std::byte> blocks);

/// Writes a new shard file block by block. Threads: one at a time, drive threads.
class ShardFileWriter {
 public:
  /// Opens `path` anew (what was there goes). `expected_bytes` are preallocated.
  static Result<ShardFileWriter> create(FileIo& io, const std::string& path, std::uint64_t expected_bytes);
  /// Whole blocks of `block_bytes`; the last of the slice may be shorter.
  Result<void> append(std::span<const std::byte> blocks, std::size_t block_bytes);
  /// Adds the footer, cuts the file to size and syncs it. Errors: kInvalidArgument when the bytes are not
  /// those of `data`.
  Result<void> finish(const DataRef& data, std::uint8_t shard);
  [[nodiscard]] std::uint64_t written() const { return offset_; }

 private:
  ShardFileWriter(std::unique_ptr<File> file, bool direct) : file_(std::move(file)), direct_(direct) {}
  Result<void> write(std::span<const std::byte> bytes);
  std::unique_ptr<File> file_;
  bool direct_;
  std::uint64_t offset_ = 0;
  std::vector<codec::Hash128> checksums_;
};

}  // namespace flashstor::storage
