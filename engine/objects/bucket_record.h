#pragma once

#include <string>
#include <string_view>

#include "engine/objects/bucket_types.h"

/// Buckets as documents of the system bucket.
namespace flashstor::objects {

[[nodiscard]] std::string bucket_path(std::string_view name);  ///< `buckets/<name>`
[[nodiscard]] std::string encode_bucket(const Bucket& bucket);
/// Errors: kMalformed.
[[nodiscard]] Result<Bucket> decode_bucket(std::string_view bytes);

}  // namespace flashstor::objects
