#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/storage/commit_log/log_format.h"
#include "engine/storage/file_io.h"

namespace flashstor::storage {

/// A segment's file, open to read through the page cache. Holding it keeps the file from being reused.
struct Segment {
  SegmentHeader header;
  std::unique_ptr<File> file;
};

/// The segment files of one log: `<number>.seg` in use, `spare-<number>` ready to be used. Numbers only grow.
/// Threads: any; all but `find_open` may wait for the drive.
class Segments {
 public:
  struct Options {
    std::string directory;
    Uuid drive_id;
    std::size_t segment_bytes = limits::kLogSegmentBytes;
    std::uint64_t salt_seed = 0;  ///< From the runtime's randomness.
  };
  Segments(FileIo& io, Options options);

  /// Lists the files and removes segments below `next` that are not in `live` (freed before a crash, or left
  /// half made). Errors: kCorrupt when one of `live` is missing.
  Result<void> open(const std::vector<std::uint32_t>& live, std::uint32_t next);
  /// The same without removing anything, for tools.
  Result<void> look(const std::vector<std::uint32_t>& live, std::uint32_t next);
  [[nodiscard]] std::vector<std::uint32_t> numbers() const;
  [[nodiscard]] std::uint32_t next_number() const;
  /// The segment, opened if need be. Errors: kNotFound, kCorrupt, kDriveForeign, kIo.
  [[nodiscard]] Result<std::shared_ptr<const Segment>> find(std::uint32_t number);
  /// The same when it is open already, else nullptr. For loops.
  [[nodiscard]] std::shared_ptr<const Segment> find_open(std::uint32_t number) const;

  /// A new segment for batches from `first_sequence` on, from a spare if there is one: durable, named, empty.
  Result<std::shared_ptr<const Segment>> create(std::uint64_t first_sequence);
  /// Opens a segment's file for writing; `direct` tells whether with O_DIRECT.
  struct Writable {
    std::unique_ptr<File> file;
    bool direct = false;
  };
  Result<Writable> open_to_write(std::uint32_t number);
  /// Makes spares until there are `count`. Errors: kNoSpace when the drive has no room.
  Result<void> refill(std::size_t count);
  [[nodiscard]] std::size_t spares() const;
  /// Gives a segment's file back (to the spares, or removed). False when a reader holds it.
  Result<bool> release(std::uint32_t number);
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::size_t segment_bytes() const { return options_.segment_bytes; }

 private:
  Result<void> list(const std::vector<std::uint32_t>& live, std::uint32_t next, bool clean);
  Result<void> take_in(const std::string& name, const std::vector<std::uint32_t>& live, std::uint32_t next,
                       bool clean);
  [[nodiscard]] std::string path_of(std::uint32_t number) const;
  [[nodiscard]] std::string spare_path(std::uint32_t number) const;
  Result<void> make_spare(const std::string& path, bool zeroed);
  Result<std::string> take_spare();

  FileIo& io_;
  Options options_;
  mutable std::mutex mutex_;
  base::SeededRandom salts_;
  std::map<std::uint32_t, std::shared_ptr<const Segment>> segments_;  ///< nullptr: not open.
  std::vector<std::string> spares_;
  std::uint32_t next_ = 1;
  std::uint32_t next_spare_ = 1;
};

}  // namespace flashstor::storage
