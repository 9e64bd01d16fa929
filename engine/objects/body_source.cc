#include "engine/objects/body_source.h"

#include <algorithm>

namespace flashstor::objects {

Task<Result<std::optional<Buffer>>> BufferSource::next() {
  if (at_ == bytes_.size()) co_return std::optional<Buffer>();
  const std::size_t size = std::min(piece_bytes_, bytes_.size() - at_);
  std::optional<Buffer> piece = bytes_.slice(at_, size);
  at_ += size;
  co_return piece;
}

}  // namespace flashstor::objects
