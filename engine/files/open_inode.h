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
  bool outdated = false;     ///< Somebody was told of a newer row of it.
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
  /// Takes over a committed row, also another node's; what is written and not published stays over it.
  /// `keeps_size`: that it `grows` is still to be published.
  void committed(objects::VersionRow now, bool keeps_size);
  /// As stat shows it, with what is not published.
  [[nodiscard]] Attributes attributes(const FileDefaults& defaults) const;
};
using OpenInodeRef = std::shared_ptr<OpenInode>;

/// Whether an error says that the file is not at the name where it was looked for.
[[nodiscard]] inline bool is_lost(ErrorCode code) {
  return code == ErrorCode::kNoSuchKey || code == ErrorCode::kStaleHandle;
}

}  // namespace flashstor::files
