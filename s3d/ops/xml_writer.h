#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/buffer.h"
#include "engine/base/time.h"

namespace flashstor::s3d {

/// Writes one XML document into blocks as it goes, so that a page of a thousand keys is never moved.
/// Text is escaped as S3 does it: control characters that XML 1.0 cannot hold become references ("&#x1;").
/// Names are written as they are and come from this program only. Threads: one.
class XmlWriter {
 public:
  /// Starts with the XML declaration.
  XmlWriter();

  XmlWriter& open(std::string_view name);
  /// An element with the S3 name space: the root of every answer but of an error.
  XmlWriter& open_root(std::string_view name);
  XmlWriter& close(std::string_view name);
  XmlWriter& element(std::string_view name, std::string_view text);
  XmlWriter& element(std::string_view name, std::uint64_t number);
  XmlWriter& element(std::string_view name, bool value);
  XmlWriter& element(std::string_view name, const char* text) {
    return element(name, std::string_view(text));
  }
  /// The time as S3 lists it: 2009-10-12T17:50:30.000Z.
  XmlWriter& element(std::string_view name, WallTime time);
  /// `<name/>`.
  XmlWriter& empty(std::string_view name);
  /// Bytes as they are.
  XmlWriter& raw(std::string_view bytes);

  /// The document; the writer is empty afterwards.
  [[nodiscard]] BufferChain take();

 private:
  void put(std::string_view bytes);
  void put_escaped(std::string_view text);
  void flush();
  Buffer block_;
  std::size_t used_ = 0;
  BufferChain done_;
};

/// `text` with what XML reserves, and control characters, as references.
void append_xml_escaped(std::string& out, std::string_view text);

/// The `encoding-type=url` of listings: percent-encoded but for letters, digits and "-_.*/". A space is %20,
/// which those who decode forms and those who decode URLs read alike.
[[nodiscard]] std::string listing_encode(std::string_view text);

/// 2009-10-12T17:50:30.000Z
[[nodiscard]] std::string iso_time(WallTime time);
/// Wed, 12 Oct 2009 17:50:00 GMT
struct HttpTime {
  std::array<char, 29> text;
  [[nodiscard]] std::string_view view() const { return {text.data(), text.size()}; }
};
[[nodiscard]] HttpTime http_time_text(WallTime time);
[[nodiscard]] inline std::string http_time(WallTime time) { return std::string(http_time_text(time).view()); }

}  // namespace flashstor::s3d
