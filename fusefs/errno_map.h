#pragma once

#include "engine/base/error.h"

namespace flashstor::fusefs {
/// The errno that POSIX programs expect for an engine error; positive. Every code has its own line, so that a
/// new one is not forgotten.
[[nodiscard]] int errno_of(ErrorCode code);
}  // namespace flashstor::fusefs
