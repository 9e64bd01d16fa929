#include "s3d/ops/xml_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "engine/base/utf8.h"

namespace flashstor::s3d {
namespace {

constexpr std::size_t kBlockBytes = 16 * 1024;

/// What stands for one byte of text, or empty when the byte stands for itself.
std::string_view reference_of(char byte) {
  static constexpr std::array<std::string_view, 32> kControl = {
      "&#x0;",  "&#x1;",  "&#x2;",  "&#x3;",  "&#x4;",  "&#x5;",  "&#x6;",  "&#x7;",
      "&#x8;",  "&#x9;",  "&#xA;",  "&#xB;",  "&#xC;",  "&#xD;",  "&#xE;",  "&#xF;",
      "&#x10;", "&#x11;", "&#x12;", "&#x13;", "&#x14;", "&#x15;", "&#x16;", "&#x17;",
      "&#x18;", "&#x19;", "&#x1A;", "&#x1B;", "&#x1C;", "&#x1D;", "&#x1E;", "&#x1F;"};
  const auto value = static_cast<unsigned char>(byte);
  if (value < 32) return kControl[value];
  switch (byte) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\x7f':
      return "&#x7F;";
    default:
      return {};
  }
}

/// Calls `put` with runs of plain text and with references.
template <class Put>
void escape(std::string_view text, Put put) {
  std::size_t from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string_view reference = reference_of(text[i]);
    if (static_cast<unsigned char>(text[i]) >= 0x80) {
      const std::size_t size = base::utf8_size(text.substr(i));
      i += size > 0 ? size - 1 : 0;
      if (size == 0) reference = base::kReplacementCharacter;
    }
    if (reference.empty()) continue;
    if (i > from) put(text.substr(from, i - from));
    put(reference);
    from = i + 1;
  }
  if (from < text.size()) put(text.substr(from));
}

struct CivilTime {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<std::chrono::milliseconds> clock;
  unsigned weekday;
};

CivilTime civil(WallTime time) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(since);
  return {std::chrono::year_month_day(day), std::chrono::hh_mm_ss<std::chrono::milliseconds>(since - day),
          std::chrono::weekday(day).c_encoding()};
}

}  // namespace

XmlWriter::XmlWriter() { put("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"); }

XmlWriter& XmlWriter::open(std::string_view name) {
  put("<");
  put(name);
  put(">");
  return *this;
}

XmlWriter& XmlWriter::open_root(std::string_view name) {
  put("<");
  put(name);
  put(" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
  return *this;
}

XmlWriter& XmlWriter::close(std::string_view name) {
  put("</");
  put(name);
  put(">");
  return *this;
}

XmlWriter& XmlWriter::element(std::string_view name, std::string_view text) {
  open(name);
  put_escaped(text);
  return close(name);
}

XmlWriter& XmlWriter::element(std::string_view name, std::uint64_t number) {
  const fmt::format_int text(number);
  open(name);
  put({text.data(), text.size()});
  return close(name);
}

XmlWriter& XmlWriter::element(std::string_view name, bool value) {
  open(name);
  put(value ? "true" : "false");
  return close(name);
}

XmlWriter& XmlWriter::element(std::string_view name, WallTime time) {
  open(name);
  put(iso_time(time));
  return close(name);
}

XmlWriter& XmlWriter::empty(std::string_view name) {
  put("<");
  put(name);
  put("/>");
  return *this;
}

XmlWriter& XmlWriter::raw(std::string_view bytes) {
  put(bytes);
  return *this;
}

BufferChain XmlWriter::take() {
  flush();
  return std::exchange(done_, BufferChain());
}

void XmlWriter::put(std::string_view bytes) {
  while (!bytes.empty()) {
    if (used_ == block_.size()) {
      flush();
      block_ = Buffer::allocate(kBlockBytes);
    }
    const std::size_t part = std::min(bytes.size(), block_.size() - used_);
    std::memcpy(block_.writable() + used_, bytes.data(), part);
    used_ += part;
    bytes.remove_prefix(part);
  }
}

void XmlWriter::put_escaped(std::string_view text) {
  escape(text, [this](std::string_view part) { put(part); });
}

void XmlWriter::flush() {
  if (used_ > 0) done_.append(block_.slice(0, used_));
  block_ = Buffer();
  used_ = 0;
}

void append_xml_escaped(std::string& out, std::string_view text) {
  escape(text, [&out](std::string_view part) { out.append(part); });
}

std::string listing_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char byte : text) {
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.' ||
                       byte == '*' || byte == '/';
    if (plain) {
      out.push_back(byte);
    } else {
      const auto value = static_cast<unsigned char>(byte);
      out.push_back('%');
      out.push_back(kDigits[value >> 4]);
      out.push_back(kDigits[value & 15]);
    }
  }
  return out;
}

std::string iso_time(WallTime time) {
  const CivilTime at = civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(at.date.year()),
                     static_cast<unsigned>(at.date.month()), static_cast<unsigned>(at.date.day()),
                     at.clock.hours().count(), at.clock.minutes().count(), at.clock.seconds().count(),
                     at.clock.subseconds().count());
}

HttpTime http_time_text(WallTime time) {
  static constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const CivilTime at = civil(time);
  HttpTime out;
  fmt::format_to_n(out.text.data(), out.text.size(), "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                   kDays[at.weekday], static_cast<unsigned>(at.date.day()),
                   kMonths[static_cast<unsigned>(at.date.month()) - 1], static_cast<int>(at.date.year()),
                   at.clock.hours().count(), at.clock.minutes().count(), at.clock.seconds().count());
  return out;
}

}  // namespace flashstor::s3d
