#pragma once

#include <functional>
#include <span>
#include <string>

#include "cli/session.h"

namespace flashstor::cli {

/// Gives the next bytes of a stream, 0 at its end.
using StreamReader = std::function<Result<std::size_t>(std::span<char> into)>;

/// Uploads a stream of unknown length in bounded memory: one PUT when it is short, otherwise parts that grow
/// with it. Nothing shows under the key unless the whole stream came. Gives its length.
[[nodiscard]] Result<std::uint64_t> upload_stream(Session& session, S3Client& client,
                                                  const std::string& bucket, const std::string& key,
                                                  const PutOptions& options, const StreamReader& read);

}  // namespace flashstor::cli
