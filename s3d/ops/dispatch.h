#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/task.h"
#include "s3d/http/request.h"
#include "s3d/ops/s3_error.h"

namespace flashstor::s3d {

class Call;

enum class ResourceKind : std::uint8_t { kService, kBucket, kObject };

/// What the body of a request is.
enum class BodyKind : std::uint8_t {
  kNone,   ///< Nothing is read.
  kXml,    ///< A document of at most limits::kMaxXmlBytes.
  kJson,   ///< A policy.
  kBytes,  ///< Object data, streamed.
};

/// Answers a request: sends the whole response itself, or returns why not (nothing sent then, unless the body
/// was under way).
using OperationHandler = Task<Result<void>> (*)(Call&);

/// One S3 operation: the row says all that is decided before its handler runs.
struct Operation {
  std::string_view name;  ///< AWS's: "PutObject".
  std::string_view method;
  ResourceKind resource;
  /// What makes it this operation: query parameters that must be there ("uploadId", "analytics&id"),
  /// "name=value" for one that needs that value, "@name" for a header. Empty: the plain one.
  std::string_view selector;
  /// Further query parameters that it takes, separated by spaces.
  std::string_view params;
  std::string_view action;          ///< "s3:PutObject"; empty: the handler authorises what it touches.
  std::string_view version_action;  ///< In its place where a versionId is given; empty: the same.
  BodyKind body = BodyKind::kNone;
  OperationHandler handler = nullptr;  ///< Null: not built, answers NotImplemented.
};

/// Every operation and sub-resource of S3, built or not. The index of a row is its slot in metrics.
[[nodiscard]] std::span<const Operation> operations();
[[nodiscard]] std::size_t slot_of(const Operation& operation);

/// What the path and Host of a request name. Views are into the request.
struct Target {
  ResourceKind kind = ResourceKind::kService;
  std::string_view bucket;
  std::string_view key;
  bool virtual_host = false;
};

/// Path style, or virtual-host style when Host is a sub-domain of one of `domains`.
[[nodiscard]] Target resolve_target(const Request& request, std::span<const std::string> domains);

struct Route {
  const Operation* operation = nullptr;  ///< The row, also when it is refused, where one is known.
  std::optional<S3Error> refusal;        ///< Why it is not to be run.
};

/// The row of a request. An unknown query parameter, a method that the resource does not have, and rows
/// without a handler are refused here; nothing falls through to the plain operation. Costs a few comparisons
/// for requests without a query.
[[nodiscard]] Route route(const Request& request, const Target& target);

/// A query parameter that any operation may carry: x-id, and what signs a request.
[[nodiscard]] bool is_common_param(std::string_view name);

}  // namespace flashstor::s3d
