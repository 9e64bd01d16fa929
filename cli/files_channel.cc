#include "cli/files_channel.h"

#include <fmt/format.h>

#include "cli/clock.h"
#include "cli/limits.h"
#include "cli/text.h"
#include "engine/base/codec.h"

namespace flashstor::cli {
namespace {

constexpr std::size_t kMaxHeader = 4096;
constexpr std::string_view kChallenge = "flashstor-challenge:";

// The header of the node's answer, byte for byte: what comes behind it is no longer HTTP.
Result<std::string> read_header(RawConnection& connection) {
  std::string header;
  while (!header.ends_with("\r\n\r\n")) {
    char byte = 0;
    if (header.size() >= kMaxHeader) return fail(ErrorCode::kMalformed, "the node's answer is too long");
    if (auto got = connection.receive_all({&byte, 1}); !got) return std::unexpected(got.error());
    header.push_back(byte);
  }
  return header;
}

Result<std::string> upgrade(RawConnection& connection, const std::string& host) {
  const auto sent = connection.send_all(
      fmt::format("GET /flashstor/files/v1 HTTP/1.1\r\nHost: {}\r\nConnection: upgrade\r\nUpgrade: "
                  "flashstor-files\r\n\r\n",
                  host));
  if (!sent) return std::unexpected(sent.error());
  const auto header = read_header(connection);
  if (!header) return header;
  if (!header->starts_with("HTTP/1.1 101 "))
    return fail(ErrorCode::kNotSupported, fmt::format("the node offers no files to other hosts ({})",
                                                      header->substr(0, header->find('\r'))));
  const auto at = lower(*header).find(kChallenge);
  if (at == std::string::npos) return fail(ErrorCode::kMalformed, "the node gives no challenge");
  const std::string rest = header->substr(at + kChallenge.size());
  return std::string(trim(rest.substr(0, rest.find('\r'))));
}

}  // namespace

Result<RawConnection> open_files_channel(const RemoteMount& mount) {
  auto connection = RawConnection::open(mount.url, mount.http);
  if (!connection) return connection;
  const auto scheme = mount.url.find("://");
  const auto challenge = upgrade(*connection, mount.url.substr(scheme == std::string::npos ? 0 : scheme + 3));
  if (!challenge) return std::unexpected(challenge.error());
  MountRequest request = mount.request;
  request.now = wall_now();
  request.challenge = *challenge;
  const std::string message = mount_message(request);
  if (message.size() > limits::kMaxMountMessageBytes)
    return fail(ErrorCode::kInvalidArgument, "the mount options are too long");
  ByteWriter head;
  head.u32(static_cast<std::uint32_t>(message.size()));
  if (auto sent = connection->send_all(head.take() + message); !sent) return std::unexpected(sent.error());
  std::string length(4, '\0');
  if (auto got = connection->receive_all(length); !got) return std::unexpected(got.error());
  const std::uint32_t bytes = ByteReader(length).u32();
  if (bytes > limits::kMaxMountMessageBytes)
    return fail(ErrorCode::kMalformed, "the node's answer is too long");
  std::string answer(bytes, '\0');
  if (auto got = connection->receive_all(answer); !got) return std::unexpected(got.error());
  if (auto id = parse_mount_answer(answer); !id) return std::unexpected(id.error());
  return connection;
}

}  // namespace flashstor::cli
