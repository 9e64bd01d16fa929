#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/codec.h"
#include "engine/objects/types.h"
#include "engine/objects/version_id.h"

/// How the values of this layer are written into rows and commands. Readers never read past what they were
/// given and mark the ByteReader bad instead.
namespace flashstor::objects {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Adds a checksum of everything written.
[[nodiscard]] std::string seal(ByteWriter out);
/// What was sealed, or nothing when the checksum does not match.
[[nodiscard]] std::optional<std::string_view> unseal(std::string_view bytes);

/// Writes numbered fields: number, length, bytes.
class FieldWriter {
 public:
  explicit FieldWriter(ByteWriter& out) : out_(out) {}
  template <class Write>
  void field(std::uint32_t number, Write write) {
    ByteWriter value;
    write(value);
    out_.varint(number).bytes(value.view());
  }

 private:
  ByteWriter& out_;
};

void write_id(ByteWriter& out, const VersionId& id);
[[nodiscard]] VersionId read_id(ByteReader& in);
void write_uuid(ByteWriter& out, const Uuid& id);
[[nodiscard]] Uuid read_uuid(ByteReader& in);
void write_pairs(ByteWriter& out, const Pairs& pairs);
[[nodiscard]] Pairs read_pairs(ByteReader& in);
void write_headers(ByteWriter& out, const ContentHeaders& headers);
[[nodiscard]] ContentHeaders read_headers(ByteReader& in);
void write_posix(ByteWriter& out, const PosixAttributes& posix);
[[nodiscard]] PosixAttributes read_posix(ByteReader& in);
void write_slice(ByteWriter& out, const Slice& slice);
[[nodiscard]] Slice read_slice(ByteReader& in);
void write_slices(ByteWriter& out, const std::vector<Slice>& slices);
[[nodiscard]] std::vector<Slice> read_slices(ByteReader& in);
void write_parts(ByteWriter& out, const std::vector<PartInfo>& parts);
[[nodiscard]] std::vector<PartInfo> read_parts(ByteReader& in);
void write_conditions(ByteWriter& out, const Conditions& conditions);
[[nodiscard]] Conditions read_conditions(ByteReader& in);

}  // namespace flashstor::objects
