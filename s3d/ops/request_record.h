#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/time.h"

namespace flashstor::s3d {

/// What is told of one request when it was answered: to the access log and to `admin trace`.
struct RequestRecord {
  WallTime at{};  ///< When the header was complete.
  std::string trace_id;
  std::string operation;  ///< "PutObject", or "Unknown".
  std::string method;
  std::string path;   ///< As sent.
  std::string query;  ///< As sent, without what signs it.
  std::string bucket;
  std::string key;
  std::string access_key;  ///< Empty when anonymous.
  std::string peer;
  std::string user_agent;
  std::string error;   ///< S3 code, empty when none.
  std::string detail;  ///< The engine's words about an error inside the server.
  int status = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  // Time of each phase.
  Nanoseconds authenticate{};  ///< Header complete to signature checked.
  Nanoseconds authorise{};     ///< To the decision.
  Nanoseconds execute{};       ///< To the answer's last byte handed over.
  [[nodiscard]] Nanoseconds total() const { return authenticate + authorise + execute; }
};

/// The record as one line of JSON with its end.
void append_json_line(std::string& out, const RequestRecord& record);

/// Query text with the values of X-Amz-Signature, X-Amz-Credential, X-Amz-Security-Token and Signature left
/// out: records must not let anybody repeat a request.
[[nodiscard]] std::string redact_query(std::string_view query);

}  // namespace flashstor::s3d
