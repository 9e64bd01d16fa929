#include "s3d/http/request.h"

#include <algorithm>

namespace flashstor::s3d {
const QueryParam* Request::find_query(std::string_view name) const {
  const auto found = std::ranges::find(parts_.query, name, &QueryParam::name);
  return found == parts_.query.end() ? nullptr : &*found;
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const HeaderField& field : parts_.headers)
    if (equal_ignoring_case(field.name, name)) return field.value;
  return std::nullopt;
}

std::size_t Request::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      parts_.headers, [&](const HeaderField& field) { return equal_ignoring_case(field.name, name); }));
}

std::string_view Request::peer_address() const {
  std::string_view address = parts_.peer.substr(0, parts_.peer.rfind(':'));
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  return address;
}

}  // namespace flashstor::s3d
