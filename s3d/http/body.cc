#include "s3d/http/body.h"

#include <algorithm>
#include <cstring>

namespace flashstor::s3d {

Task<Result<Buffer>> read_block(BodySource& source, std::size_t size) {
  Buffer block = Buffer::allocate(size);
  std::size_t filled = 0;
  while (filled < size) {
    const std::size_t got = co_await or_return(source.read(block.writable_span().subspan(filled)));
    if (got == 0) break;
    filled += got;
  }
  if (filled == size) co_return block;
  co_return block.slice(0, filled);
}

Task<Result<Buffer>> read_all(BodySource& source, std::size_t max_bytes) {
  const auto too_large = [] {
    return fail(ErrorCode::kEntityTooLarge, "the body is larger than this request may have");
  };
  const auto announced = source.length();
  if (announced && *announced > max_bytes) co_return too_large();
  BufferChain chain;
  // One byte more than announced, so that the end is met in the same block.
  std::size_t next = announced ? static_cast<std::size_t>(*announced) + 1 : 16 * 1024;
  for (;;) {
    Buffer block = co_await or_return(read_block(source, next));
    const bool at_end = block.size() < next;
    chain.append(std::move(block));
    if (chain.size() > max_bytes) co_return too_large();
    if (at_end) co_return chain.flatten();
    next = std::min<std::size_t>(next * 2, std::size_t{1} << 20);
  }
}

Task<Result<std::size_t>> MemoryBody::read(std::span<std::byte> into) {
  const std::size_t size = std::min({into.size(), bytes_.size() - at_, piece_bytes_});
  if (size > 0) std::memcpy(into.data(), bytes_.data() + at_, size);
  at_ += size;
  co_return size;
}

}  // namespace flashstor::s3d
