#pragma once

#include <span>
#include <string>

#include "engine/async/stream.h"

namespace flashstor::async {

/// Fills all of `into`. Errors: of Connection::read; kIo when the other side ends the stream before.
Task<Result<void>> read_exactly(Connection& connection, std::span<std::byte> into);
/// Sends all of `text`, which it owns. Errors: of Connection::write.
Task<Result<void>> write_text(Connection& connection, std::string text);

}  // namespace flashstor::async
