#include "s3d/ops/dispatch.h"

#include <array>

namespace flashstor::s3d {
namespace {

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

/// Calls `visit` for each piece of `list` between `separator`s; stops when it gives false.
template <class Visit>
bool for_each_piece(std::string_view list, char separator, Visit visit) {
  while (!list.empty()) {
    const auto end = list.find(separator);
    if (!visit(list.substr(0, end))) return false;
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
  }
  return true;
}

bool piece_present(const Request& request, std::string_view piece) {
  if (piece.starts_with('@')) return request.header(piece.substr(1)).has_value();
  const auto equals = piece.find('=');
  const QueryParam* param = request.find_query(piece.substr(0, equals));
  if (param == nullptr) return false;
  return equals == std::string_view::npos || param->value == piece.substr(equals + 1);
}

bool selected(const Request& request, std::string_view selector) {
  return for_each_piece(selector, '&', [&](std::string_view piece) { return piece_present(request, piece); });
}

bool listed(std::string_view list, char separator, std::string_view name) {
  return !for_each_piece(list, separator,
                         [&](std::string_view piece) { return piece.substr(0, piece.find('=')) != name; });
}

/// The row whose selector is there and has the most parts.
const Operation* find_row(const Request& request, ResourceKind kind) {
  const Operation* best = nullptr;
  std::size_t best_parts = 0;
  for (const Operation& row : operations()) {
    if (row.resource != kind || row.method != request.method()) continue;
    if (row.selector.empty()) {
      if (best == nullptr) best = &row;
      continue;
    }
    std::size_t parts = 0;
    for_each_piece(row.selector, '&', [&](std::string_view) { return ++parts > 0; });
    if (parts > best_parts && selected(request, row.selector)) {
      best = &row;
      best_parts = parts;
    }
  }
  return best;
}

/// True when some row of this kind of resource is selected by the parameter, whatever the method.
bool is_subresource(std::string_view name, ResourceKind kind) {
  for (const Operation& row : operations())
    if (row.resource == kind && listed(row.selector, '&', name)) return true;
  return false;
}

S3Error unknown_param(const Operation& row, const Request& request, std::string_view name,
                      ResourceKind kind) {
  if (is_subresource(name, kind))
    return {.code = S3Code::kMethodNotAllowed,
            .fields = {{"Method", std::string(request.method())}, {"ResourceType", std::string(name)}}};
  return {.code = S3Code::kNotImplemented,
          .message = "A query parameter you provided implies functionality that is not implemented: " +
                     std::string(row.name) + " with " + std::string(name),
          .fields = {{"QueryParameter", std::string(name)}}};
}

}  // namespace

std::size_t slot_of(const Operation& operation) {
  return static_cast<std::size_t>(&operation - operations().data());
}

bool is_common_param(std::string_view name) {
  if (name == "x-id" || starts_with_ignoring_case(name, "x-amz-")) return true;
  return name == "AWSAccessKeyId" || name == "Signature" || name == "Expires";
}

Target resolve_target(const Request& request, std::span<const std::string> domains) {
  Target target;
  std::string_view path = request.path();
  if (path.starts_with('/')) path.remove_prefix(1);
  if (!domains.empty()) {
    std::string_view host = request.host();
    if (const auto colon = host.rfind(':'); colon != std::string_view::npos && !host.ends_with(']'))
      host = host.substr(0, colon);
    for (const std::string& domain : domains) {
      if (host.size() <= domain.size() + 1) continue;
      const std::size_t dot = host.size() - domain.size() - 1;
      if (host[dot] != '.' || !equal_ignoring_case(host.substr(dot + 1), domain)) continue;
      target.virtual_host = true;
      target.bucket = host.substr(0, dot);
      target.key = path;
      target.kind = path.empty() ? ResourceKind::kBucket : ResourceKind::kObject;
      return target;
    }
  }
  if (path.empty()) return target;
  const auto slash = path.find('/');
  target.bucket = path.substr(0, slash);
  if (slash != std::string_view::npos) target.key = path.substr(slash + 1);
  target.kind = target.key.empty() ? ResourceKind::kBucket : ResourceKind::kObject;
  return target;
}

Route route(const Request& request, const Target& target) {
  Route out;
  out.operation = find_row(request, target.kind);
  if (out.operation == nullptr) {
    out.refusal =
        S3Error{.code = S3Code::kMethodNotAllowed, .fields = {{"Method", std::string(request.method())}}};
    return out;
  }
  const Operation& row = *out.operation;
  // A preflight has the parameters of the request that it asks about, whatever that will be.
  const bool any_param = request.method() == "OPTIONS";
  for (const QueryParam& param : any_param ? std::span<const QueryParam>() : request.query()) {
    if (listed(row.selector, '&', param.name) || listed(row.params, ' ', param.name) ||
        is_common_param(param.name))
      continue;
    out.refusal = unknown_param(row, request, param.name, target.kind);
    return out;
  }
  if (row.handler == nullptr)
    out.refusal = S3Error{.code = S3Code::kNotImplemented,
                          .message = std::string(row.name) + " is not implemented.",
                          .fields = {{"Operation", std::string(row.name)}}};
  return out;
}

}  // namespace flashstor::s3d
