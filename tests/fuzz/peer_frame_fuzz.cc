// What another node, or anybody who got past the upgrade, could send: frames, hellos, bundles, commands,
// lists of drives, tokens. First byte: which of them. What decodes must encode to something that decodes to
// the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/check.h"
#include "engine/cluster/peers/bundle.h"
#include "engine/cluster/peers/messages.h"
#include "engine/storage/wire/frame.h"
#include "engine/storage/wire/token.h"

namespace {

using namespace flashstor;
using namespace flashstor::cluster;
namespace wire = flashstor::storage::wire;

// Head and body, cut at the place that the first two bytes say.
wire::Payload payload_from(std::string_view bytes) {
  ByteReader in(bytes);
  const std::size_t cut = in.u16();
  const std::string_view rest = in.rest();
  wire::Payload payload;
  payload.head = Buffer::copy_of(rest.substr(0, std::min(cut, rest.size())));
  if (rest.size() > cut) payload.body = BufferChain(Buffer::copy_of(rest.substr(cut)));
  return payload;
}

void frame(std::string_view bytes) {
  if (bytes.size() < wire::kFrameHeaderBytes) return;
  const auto fixed = std::as_bytes(std::span(bytes)).first<wire::kFrameHeaderBytes>();
  if (const auto header = wire::decode_header(fixed)) {
    const auto again = wire::encode_header(*header);
    FLASHSTOR_CHECK(std::equal(again.begin(), again.end(), fixed.begin()));
  }
}

void bundle(std::string_view bytes) {
  const auto first = decode_bundle(payload_from(bytes));
  if (!first) return;
  const auto second = decode_bundle(encode_bundle(*first));
  FLASHSTOR_CHECK(second.has_value() && second->messages.size() == first->messages.size());
  FLASHSTOR_CHECK(second->data.size() == first->data.size() &&
                  second->reports.size() == first->reports.size());
}

void command(std::string_view bytes) {
  const auto first = decode_command(payload_from(bytes));
  if (!first) return;
  const auto second = decode_command(encode_command(first->set, first->command, first->staged));
  FLASHSTOR_CHECK(second.has_value() && second->command.payload == first->command.payload);
  FLASHSTOR_CHECK(second->command.data == first->command.data);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 7) {
    case 0:
      frame(bytes);
      break;
    case 1:
      bundle(bytes);
      break;
    case 2:
      command(bytes);
      break;
    case 3:
      if (const auto hello = decode_hello(bytes))
        FLASHSTOR_CHECK(decode_hello(encode_hello(*hello)).has_value());
      break;
    case 4:
      if (const auto reports = decode_reports(bytes))
        FLASHSTOR_CHECK(decode_reports(encode_reports(*reports)).has_value());
      break;
    case 5: {
      wire::TokenVerifier verifier("a secret of the cluster", "b:2");
      FLASHSTOR_CHECK(!verifier.verify(bytes, base::from_nanoseconds(1'000'000'000'000)).has_value());
      break;
    }
    default:
      static_cast<void>(wire::decode_error(bytes));
      if (const auto result = decode_result(bytes))
        FLASHSTOR_CHECK(decode_result(encode_result(*result)).has_value());
      if (const auto slices = decode_slice_ids(bytes)) {
        const auto again = decode_slice_ids(encode_slice_ids(*slices));
        FLASHSTOR_CHECK(again.has_value() && again->ids == slices->ids);
      }
  }
  return 0;
}
