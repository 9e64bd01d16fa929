#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/time.h"
#include "engine/iam/iam.h"
#include "fusefs/session.h"

namespace flashstor::s3d {

/// What a client asks with the descriptor that it hands over.
struct HandoverRequest {
  std::string bucket;
  std::string mountpoint;
  std::map<std::string, std::string> options;
  std::string access_key;
  std::string date;       ///< "20130524T000000Z"
  std::string challenge;  ///< Of the node, on the channel of files; empty on its own socket.
  std::string signature;
};

/// Errors: kMalformed, kNotSupported for another version of the protocol.
[[nodiscard]] Result<HandoverRequest> parse_handover(std::string_view json);
/// Whether the caller holds the identity's secret: hex HMAC-SHA256 of bucket, mount point, access key, date
/// and, where there is one, challenge, a line each, under HMAC-SHA256("flashstor-mount" + secret, date).
/// Errors: kInvalidAccessKey, kSignatureMismatch, kRequestTimeSkewed.
[[nodiscard]] Result<void> verify_handover(const HandoverRequest& request, iam::IamView& identities,
                                           WallTime now);
/// What the client is told: JSON with `ok` and the mount's `id`, or `code` and `message`.
[[nodiscard]] std::string handover_answer(const Result<std::uint64_t>& mounted);
/// ro, allow_other, uid=, gid=, umask= as a session takes them; what only the kernel or mount(8) looks at is
/// passed over. Errors: kInvalidArgument for an unknown option, in words.
[[nodiscard]] Result<fusefs::SessionOptions> session_options(
    const std::map<std::string, std::string>& options);

}  // namespace flashstor::s3d
