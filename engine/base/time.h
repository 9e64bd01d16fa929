#pragma once

#include <chrono>
#include <cstdint>

namespace flashstor::base {
using Milliseconds = std::chrono::milliseconds;
using Nanoseconds = std::chrono::nanoseconds;
/// Nanoseconds of a clock that never steps; for deadlines and leases. Only a Runtime reads it.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, Nanoseconds>;
/// Nanoseconds since 1970-01-01 UTC; for what users see. Only a Runtime reads it.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Nanoseconds>;
/// As stored in rows.
inline std::int64_t to_nanoseconds(WallTime time) { return time.time_since_epoch().count(); }
inline WallTime from_nanoseconds(std::int64_t value) { return WallTime(Nanoseconds(value)); }
}  // namespace flashstor::base

namespace flashstor {
using base::Milliseconds;
using base::MonotonicTime;
using base::Nanoseconds;
using base::WallTime;
}  // namespace flashstor
