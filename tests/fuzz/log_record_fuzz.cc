#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "engine/storage/commit_log/log_format.h"
#include "engine/storage/commit_log/replay.h"
#include "engine/storage/shard_file.h"

// Bytes of a drive's log and files, whatever they are, are read without harm: the first byte chooses which.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flashstor::storage;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0: {
      LogIndex index;
      (void)feed_index(index, {.segment = 1, .offset = 4096, .sequence = 1}, bytes);
      break;
    }
    case 1:
      (void)decode_segment_header(bytes);
      break;
    case 2: {
      const auto span = std::as_bytes(std::span(bytes));
      if (const auto header = peek_batch(span, 0))
        if (kBatchHeaderBytes + header->body_bytes <= size - 1)
          (void)batch_is_whole(span.first(kBatchHeaderBytes + header->body_bytes));
      break;
    }
    case 3:
      if (const auto at = decode_data_position(bytes, {1, 2}))
        FLASHSTOR_CHECK(decode_data_position(encode_data_position(*at), {1, 2}).has_value());
      break;
    default:
      (void)decode_footer(bytes);
  }
  return 0;
}
