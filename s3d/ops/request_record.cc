#include "s3d/ops/request_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "engine/base/utf8.h"
#include "s3d/http/request.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

/// Text as a JSON string, which is UTF-8 whatever the client sent.
void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  const bool plain = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  const std::string repaired = plain ? std::string() : base::utf8_repaired(text);
  for (const char byte : plain ? text : std::string_view(repaired)) {
    const auto value = static_cast<unsigned char>(byte);
    if (byte == '"' || byte == '\\') {
      out.push_back('\\');
      out.push_back(byte);
    } else if (value < 0x20 || value == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", value);
    } else {
      out.push_back(byte);
    }
  }
  out.push_back('"');
}

void append_text(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out.append(",\"").append(name).append("\":");
  append_quoted(out, value);
}

std::int64_t microseconds(Nanoseconds time) { return time.count() / 1000; }

bool is_secret(std::string_view name) {
  for (const std::string_view secret :
       {"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "Signature", "AWSAccessKeyId"})
    if (equal_ignoring_case(name, secret)) return true;
  return false;
}

}  // namespace

void append_json_line(std::string& out, const RequestRecord& record) {
  out.append("{\"time\":\"").append(iso_time(record.at)).append("\"");
  append_text(out, "trace", record.trace_id);
  append_text(out, "operation", record.operation);
  append_text(out, "method", record.method);
  append_text(out, "path", record.path);
  append_text(out, "query", record.query);
  append_text(out, "bucket", record.bucket);
  append_text(out, "key", record.key);
  append_text(out, "access_key", record.access_key);
  append_text(out, "peer", record.peer);
  append_text(out, "user_agent", record.user_agent);
  append_text(out, "error", record.error);
  append_text(out, "detail", record.detail);
  fmt::format_to(std::back_inserter(out),
                 ",\"status\":{},\"bytes_in\":{},\"bytes_out\":{},\"authenticate_us\":{},"
                 "\"authorise_us\":{},\"execute_us\":{},\"total_us\":{}}}\n",
                 record.status, record.bytes_in, record.bytes_out, microseconds(record.authenticate),
                 microseconds(record.authorise), microseconds(record.execute), microseconds(record.total()));
}

std::string redact_query(std::string_view query) {
  std::string out;
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view piece = query.substr(0, end);
    const std::string_view name = piece.substr(0, piece.find('='));
    if (!out.empty()) out.push_back('&');
    if (is_secret(name)) {
      out.append(name).append("=…");
    } else {
      out.append(piece);
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace flashstor::s3d
