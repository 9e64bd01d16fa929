#pragma once

#include <string>
#include <string_view>

#include "engine/base/error.h"
#include "engine/cluster/raft/types.h"

namespace flashstor::cluster::raft {

/// Format 1 of a message between nodes; the frame around it carries length and checksum.
[[nodiscard]] std::string encode(const Message& message);
/// Reads what `encode` wrote. Payloads are slices of `bytes`, not copies.
/// Errors: kMalformed for anything else, and for what is over the limits.
[[nodiscard]] Result<Message> decode(const Buffer& bytes);

/// A membership alone, as rows and records store it.
[[nodiscard]] std::string encode_membership(const Membership& membership);
/// Errors: kMalformed.
[[nodiscard]] Result<Membership> decode_membership(std::string_view bytes);

}  // namespace flashstor::cluster::raft
