#include "engine/async/stream_calls.h"

namespace flashstor::async {

Task<Result<void>> read_exactly(Connection& connection, std::span<std::byte> into) {
  while (!into.empty()) {
    const std::size_t got = co_await or_return(connection.read(into));
    if (got == 0) co_return fail(ErrorCode::kIo, "the other side has closed the connection");
    into = into.subspan(got);
  }
  co_return Result<void>();
}

Task<Result<void>> write_text(Connection& connection, std::string text) {
  const std::span<const std::byte> slice = std::as_bytes(std::span(text));
  co_return co_await connection.write(std::span(&slice, 1));
}

}  // namespace flashstor::async
