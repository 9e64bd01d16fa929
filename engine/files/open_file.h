#pragma once

#include "engine/files/volume.h"

namespace flashstor::files {

/// One open of an inode of a Volume, which must outlive it.
class OpenFile final : public OpenFileApi {
 public:
  OpenFile(Volume& volume, OpenInodeRef inode, OpenMode mode)
      : volume_(volume), inode_(std::move(inode)), mode_(mode) {}
  [[nodiscard]] Attributes attributes() const override { return inode_->attributes(volume_.defaults_); }
  Task<Attributes> look() override;
  Task<Result<BufferChain>> read(std::uint64_t offset, std::size_t size) override;
  Task<Result<std::size_t>> write(std::uint64_t offset, BufferChain bytes) override;
  Task<Result<void>> sync(bool data_only) override;
  Task<Result<void>> flush() override;
  Task<Result<void>> allocate(AllocateKind kind, std::uint64_t offset, std::uint64_t length) override;
  Task<Result<std::uint64_t>> seek(SeekKind kind, std::uint64_t offset) override;
  Task<Result<std::uint64_t>> copy_from(OpenFileApi& source, std::uint64_t source_offset,
                                        std::uint64_t target_offset, std::uint64_t length) override;
  Task<Result<void>> release() override;

 private:
  Task<Result<void>> put(std::uint64_t offset, BufferChain bytes, bool append);
  Task<Result<void>> zero(std::uint64_t offset, std::uint64_t length);

  Volume& volume_;
  OpenInodeRef inode_;
  OpenMode mode_;
};

}  // namespace flashstor::files
