#pragma once

#include <cstdint>
#include <vector>

#include "engine/objects/types.h"

/// Editing the list of slices that a version's bytes are made of. Pure functions on lists; a list covers [0,
/// size) in order without gaps, holes being slices without data.
namespace flashstor::files {

using objects::Slice;

/// A piece of new data and its place in the file.
struct Placed {
  std::uint64_t at = 0;  ///< Offset in the file.
  Slice slice;           ///< `length` bytes; without data a hole.
};

[[nodiscard]] std::uint64_t bytes_of(const std::vector<Slice>& slices);
/// Bytes that are not holes.
[[nodiscard]] std::uint64_t allocated_bytes(const std::vector<Slice>& slices);
/// Cuts or extends (with a hole) to `size`.
void resize(std::vector<Slice>& slices, std::uint64_t size);
/// Puts `piece` over what is there, extending the file if need be (a gap becomes a hole). Neighbours that
/// continue each other in the same data are joined.
void overwrite(std::vector<Slice>& slices, const Placed& piece);
/// The part of the list that shows [offset, offset + length), cut to it.
[[nodiscard]] std::vector<Slice> cut(const std::vector<Slice>& slices, std::uint64_t offset,
                                     std::uint64_t length);
/// Data that `before` uses and `after` does not, each once, as slices that keep their referrer.
[[nodiscard]] std::vector<Slice> dropped(const std::vector<Slice>& before, const std::vector<Slice>& after);

/// The best run of short neighbouring slices to rewrite as one, when a list has become long.
struct Fold {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::size_t slices = 0;  ///< How many become one.
};
/// The run of at most `most_bytes` with the most slices. Length 0 when nothing is to be won.
[[nodiscard]] Fold best_fold(const std::vector<Slice>& slices, std::uint64_t most_bytes);

}  // namespace flashstor::files
