#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/task.h"
#include "engine/base/buffer.h"
#include "engine/base/time.h"
#include "engine/base/uuid.h"

/// Files on objects: the inode operations that a mount needs, on one bucket. `fusefs` maps /dev/fuse onto
/// this interface; the node's own implementation stands on engine/objects and engine/cluster, a remote mount
/// client will speak the same over the files channel.
namespace flashstor::files {

/// Identity of a file or directory; survives rename, never reused.
using InodeId = Uuid;

enum class Kind : std::uint8_t {
  kFile,
  kDirectory,
  kSymlink,
  kFifo,
  kSocket,
  kCharacterDevice,
  kBlockDevice
};

/// What stat shows.
struct Attributes {
  InodeId inode;  ///< For an implied directory: derived from its path, stable while it stays implied.
  Kind kind = Kind::kFile;
  std::uint32_t mode = 0644;  ///< Permission bits (07777) only.
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t links = 1;
  std::uint32_t device = 0;  ///< rdev of device nodes.
  std::uint64_t size = 0;
  std::uint64_t allocated = 0;  ///< Bytes that are not holes; st_blocks is this / 512, rounded up.
  WallTime accessed{};
  WallTime modified{};
  WallTime changed{};
  WallTime born{};
  std::uint64_t revision =
      0;  ///< Changes whenever the bytes change, through any door: equal means cached pages are good.
  /// Other nodes have published it since it was opened here: pages that were cached before may be old.
  bool merged = false;
  bool implied = false;  ///< A directory that only exists because keys lie under it.
};

/// A file or directory as the kernel knows it: where it was last seen, and who it is. Paths are POSIX paths
/// below the mount's root without leading or trailing slash; the root is "". Names that POSIX cannot hold are
/// escaped as docs/posix.md says. An operation whose path holds another inode now gives kStaleHandle, unless
/// the inode is open or was renamed through this volume: then the volume knows where it is.
struct FileRef {
  std::string path;
  InodeId inode;
};

struct DirectoryEntry {
  std::string name;
  Attributes attributes;
};
struct DirectoryPage {
  std::vector<DirectoryEntry> entries;  ///< Without "." and "..".
  std::string cursor;                   ///< Where the next page begins; opaque.
  bool end = false;
};

/// Who asks, for ownership of what is made. Permission bits are checked by the kernel (default_permissions);
/// IAM by the door.
struct Caller {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// Which attributes to change; what is empty stays.
struct AttributeChange {
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::optional<std::uint64_t> size;  ///< Truncates or extends with a hole.
  std::optional<WallTime> accessed;
  std::optional<WallTime> modified;
};

struct NewFile {
  Kind kind = Kind::kFile;
  std::uint32_t mode = 0644;
  std::uint32_t device = 0;
  std::string target;  ///< Of a symlink.
  Caller caller;
};

struct OpenMode {
  bool read = true;
  bool write = false;
  bool append = false;
  bool truncate = false;
};

enum class RenameMode : std::uint8_t { kReplace, kNoReplace, kExchange };
enum class AttributeSetMode : std::uint8_t { kAny, kCreate, kReplace };
enum class SeekKind : std::uint8_t { kData, kHole };
enum class AllocateKind : std::uint8_t { kExtend, kKeepSize, kPunchHole, kZeroRange };

/// Bytes and files of the volume, for statfs.
struct VolumeUsage {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t files = 0;  ///< 0 when unknown.
};

/// An advisory lock on a byte range (fcntl) or on the whole file (flock). `owner` is unique per mount and
/// lock owner.
struct LockRange {
  enum class Type : std::uint8_t { kShared, kExclusive, kUnlock } type = Type::kUnlock;
  std::uint64_t start = 0;
  std::uint64_t end = ~std::uint64_t{0};  ///< Inclusive.
  std::uint64_t owner = 0;
  std::uint32_t pid = 0;
  bool whole_file = false;  ///< flock: a space of its own beside byte ranges.
};

/// One open of one file. All opens of an inode on a volume see each other's writes at once; others see them
/// after publish.
class OpenFileApi {
 public:
  virtual ~OpenFileApi() = default;
  /// Where the file is and what it looks like now, with what was written through this volume.
  [[nodiscard]] virtual Attributes attributes() const = 0;
  /// The same, with what other nodes have published of it meanwhile.
  virtual Task<Attributes> look() = 0;
  /// Up to `size` bytes at `offset`; shorter only at the end of the file. Holes read as zeros.
  virtual Task<Result<BufferChain>> read(std::uint64_t offset, std::size_t size) = 0;
  /// Takes the bytes into the write buffer (bounded: waits for room by writing older bytes out). With append
  /// `offset` is ignored. Not durable before `sync`.
  virtual Task<Result<std::size_t>> write(std::uint64_t offset, BufferChain bytes) = 0;
  /// Publishes: on return bytes, size and times are durable on a write quorum and whole to S3. With
  /// `data_only` times may wait.
  virtual Task<Result<void>> sync(bool data_only) = 0;
  /// What close(2) calls: publishes what is dirty and reports its error. May be called several times (dup).
  virtual Task<Result<void>> flush() = 0;
  virtual Task<Result<void>> allocate(AllocateKind kind, std::uint64_t offset, std::uint64_t length) = 0;
  /// Errors: kNoAttribute beyond the end (ENXIO).
  virtual Task<Result<std::uint64_t>> seek(SeekKind kind, std::uint64_t offset) = 0;
  /// Copies a range from another open file by reference where whole slices allow it; gives the bytes copied.
  virtual Task<Result<std::uint64_t>> copy_from(OpenFileApi& source, std::uint64_t source_offset,
                                                std::uint64_t target_offset, std::uint64_t length) = 0;
  /// The last use of this open: publishes, drops its locks (`owner`), and removes an unlinked file whose last
  /// open this was.
  virtual Task<Result<void>> release() = 0;
};

/// One bucket as a tree of files. Lives on one runtime; call it there.
class VolumeApi {
 public:
  virtual ~VolumeApi() = default;

  /// Whether other nodes may change the bucket's files too.
  [[nodiscard]] virtual bool spans_nodes() const = 0;
  virtual Task<Result<Attributes>> lookup(std::string directory, std::string name) = 0;
  virtual Task<Result<Attributes>> attributes(FileRef file) = 0;
  virtual Task<Result<Attributes>> change_attributes(FileRef file, AttributeChange change) = 0;
  /// Entries from `cursor` on ("" for the first page, else the page before's), at most `limit`. What is made
  /// or removed meanwhile may be seen or not; everything else is seen exactly once.
  virtual Task<Result<DirectoryPage>> read_directory(std::string directory, std::string cursor,
                                                     std::size_t limit) = 0;

  /// Makes a file, directory, symlink or node. Exclusive across all doors: kExists when the name is taken.
  /// Durable on return for all but regular files, which are durable after their first sync.
  virtual Task<Result<Attributes>> make(std::string directory, std::string name, NewFile file) = 0;
  /// Makes and opens a regular file in one step; without `exclusive` an existing file is opened instead.
  struct Created {
    Attributes attributes;
    std::unique_ptr<OpenFileApi> file;
  };
  virtual Task<Result<Created>> create(std::string directory, std::string name, NewFile file, OpenMode mode,
                                       bool exclusive) = 0;
  virtual Task<Result<std::unique_ptr<OpenFileApi>>> open(FileRef file, OpenMode mode) = 0;
  virtual Task<Result<std::string>> read_link(FileRef file) = 0;

  /// Removes a name that is not a directory; an open file lives on until its last release.
  virtual Task<Result<void>> remove(std::string directory, std::string name) = 0;
  virtual Task<Result<void>> remove_directory(std::string directory, std::string name) = 0;
  /// Atomic to every observer, for files and for whole directories.
  virtual Task<Result<void>> rename(std::string directory, std::string name, std::string to_directory,
                                    std::string to_name, RenameMode mode) = 0;
  virtual Task<Result<Attributes>> link(FileRef file, std::string to_directory, std::string to_name) = 0;
  /// Makes durable what changed in the directory (names are durable already; its times may not be).
  virtual Task<Result<void>> sync_directory(FileRef directory) = 0;

  virtual Task<Result<std::string>> get_attribute(FileRef file, std::string name) = 0;
  virtual Task<Result<std::vector<std::string>>> list_attributes(FileRef file) = 0;
  virtual Task<Result<void>> set_attribute(FileRef file, std::string name, std::string value,
                                           AttributeSetMode mode) = 0;
  virtual Task<Result<void>> remove_attribute(FileRef file, std::string name) = 0;

  virtual Task<Result<VolumeUsage>> usage() = 0;

  /// Takes, converts or drops a lock. With `wait` it returns when the lock is held; without it gives
  /// kWouldBlock. `cancelled` (may be null) ends a wait with kCancelled when the waker sets it and calls
  /// `wake_lock_waiters`.
  virtual Task<Result<void>> lock(FileRef file, LockRange range, bool wait, const bool* cancelled) = 0;
  virtual void wake_lock_waiters(FileRef file) = 0;
  /// The first lock that would stand in the way, or type kUnlock.
  virtual Task<Result<LockRange>> test_lock(FileRef file, LockRange range) = 0;

  /// Publishes everything dirty of every open file; for unmount and stop.
  virtual Task<Result<void>> sync_all() = 0;
};

}  // namespace flashstor::files
