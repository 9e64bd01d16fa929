#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/async/sync.h"
#include "engine/cluster/set_api.h"
#include "engine/files/file_rows.h"
#include "engine/files/slice_pins.h"
#include "engine/files/write_buffer.h"

namespace flashstor::files {

/// Data that streams to the drives while a file is written from front to back.
struct Streaming {
  std::unique_ptr<cluster::StageApi> stage;
  std::uint64_t at = 0;  ///< Offset in the file of its first byte.
  std::uint64_t bytes = 0;
};

/// One inode that is open on a volume, however often: what is committed of it and what is not yet.
struct OpenInode {
  /// `cluster` outlives it.
  explicit OpenInode(cluster::ClusterApi& cluster) : pins(cluster) {}

  InodeId inode;
  std::string key;           ///< One of its names; of an orphan the inode's text.
  std::uint32_t set = 0;     ///< Where its row is.
  std::string maybe;         ///< Where a rename may have brought it whose outcome is not known.
  bool check_names = false;  ///< Another node may have given it more names.
  bool claimed = false;      ///< Other nodes leave it alone when it loses its last name.
  bool orphan = false;       ///< Has lost its last name; its row lies under orphans_of(bucket).
  bool outdated = false;     ///< Somebody was told of a newer row of it,
  std::uint64_t told = 0;    ///< and of this size.
  bool merged = false;       ///< Other nodes have published it since it was opened here.
  bool gone = false;         ///< Replaced or removed through another door: there is nothing to write to.
  std::uint32_t opens = 0;

  objects::VersionRow row;    ///< As committed.
  std::vector<Slice> slices;  ///< The committed bytes, cut and extended to `size`.
  SlicePins pins;             ///< Of `row`.
  std::uint64_t size = 0;
  std::optional<std::uint64_t> shrink_to;  ///< The smallest size since the last publish.
  WriteBuffer dirty;                       ///< Written, not published.
  WriteBuffer publishing;                  ///< On its way.
  /// Where other nodes append too: what O_APPEND has put behind the end and is not published. It goes behind
  /// what they have published then.
  struct Appended {
    std::uint64_t from = 0;
    std::uint64_t end = 0;
    std::uint64_t least = 0;  ///< Where it goes at least: the file was made longer before.
  };
  std::optional<Appended> appended;
  /// A commit that may have been made or not.
  struct Doubt {
    DataId data;  ///< What it brought; nil: nothing.
    std::optional<std::int64_t> ctime_ns;
    std::optional<std::uint64_t> shrink_to;
    std::vector<Slice> cut_off;     ///< By that.
    std::uint64_t append_from = 0;  ///< Bytes of `appended` that were in it, up to
    std::uint64_t append_end = 0;   ///< here (0: none),
    std::uint64_t append_at = 0;    ///< and where in the data they began.
  };
  std::vector<Doubt> doubts;
  struct Parked {
    std::uint64_t at = 0;
    DataRef data;
  };
  std::optional<Parked> parked;  ///< Has streamed; lies under a row of its own until it can be published.
  bool in_flight = false;        ///< What has streamed is on its way.
  std::optional<Streaming> streaming;
  struct Lost {
    std::uint64_t at = 0;  ///< The first byte of them.
    Error error;
  };
  /// Bytes had streamed and could not be kept: nothing more is published, so that nobody takes what lies
  /// around them for the file, until the file is cut before them or closed by all.
  std::optional<Lost> lost;
  PosixChange posix;           ///< Not published.
  objects::VersionId revises;  ///< The version that these opens made.

  async::Semaphore writing{1};  ///< Writes and truncates of the file come one after another.
  async::Semaphore publish_turn{1};
  std::uint64_t read_end = 0;  ///< Where the last read ended, to know a sequential reader.

  /// Whether there is something to publish.
  [[nodiscard]] bool is_dirty() const {
    return !dirty.empty() || streaming || parked || shrink_to || !posix.empty() || size != row.header.size;
  }
  /// Notes that bytes from `at` on are lost; gives `cause` back.
  Error lose(std::uint64_t at, const Error& cause);
  /// Whether it was made longer here than what is committed of it is, or was cut to.
  [[nodiscard]] bool grows() const;
  /// `length` bytes are about to be appended at the end.
  void note_append(std::uint64_t length);
  /// It is published up to `end`.
  void take_append(std::uint64_t end);
  /// The file is cut to `cut`.
  void cut_append(std::uint64_t cut);
  /// How much of `dirty` to publish at once, up to `most`: what is appended stays in one piece.
  [[nodiscard]] std::uint64_t most_at_once(std::uint64_t most) const;
  /// Whether what begins at `offset` is appended.
  [[nodiscard]] bool appends(std::uint64_t offset) const {
    return appended && offset >= appended->from && offset < appended->end;
  }
  /// Takes over a committed row, also another node's; what is written and not published stays over it.
  /// `keeps_size`: that it `grows` is still to be published.
  void committed(objects::VersionRow now, bool keeps_size);
  /// Whether `now`, which the set has at `at`, came after what is known here. An answer may be older than
  /// what was published meanwhile. Each name of an inode has versions of its own.
  [[nodiscard]] bool is_behind(const objects::VersionRow& now, const std::string& at) const;
  /// Somebody is told of a newer row, of that size.
  void is_told(std::uint64_t newer_size) {
    outdated = true;
    told = newer_size;
  }
  /// What is found of commits of unknown outcome in the row is not published again.
  void settle_doubts();
  void move_append(std::uint64_t to, std::uint64_t end);
  /// As stat shows it, with what is not published.
  [[nodiscard]] Attributes attributes(const FileDefaults& defaults) const;
};
using OpenInodeRef = std::shared_ptr<OpenInode>;

/// Whether an error says that the file is not at the name where it was looked for.
[[nodiscard]] inline bool is_lost(ErrorCode code) {
  return code == ErrorCode::kNoSuchKey || code == ErrorCode::kStaleHandle;
}

}  // namespace flashstor::files
