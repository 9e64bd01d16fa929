#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace flashstor::s3d {

/// One element of a parsed document: borrowed, good as long as its XmlDocument. An absent element reads as
/// empty text, so that a chain of `child` needs one check at its end. Name spaces and prefixes are ignored.
class XmlElement {
 public:
  XmlElement() = default;
  explicit XmlElement(void* node) : node_(node) {}
  [[nodiscard]] bool present() const { return node_ != nullptr; }
  /// Without a prefix.
  [[nodiscard]] std::string_view name() const;
  /// The text directly inside, white space around it kept.
  [[nodiscard]] std::string_view text() const;
  /// The same without white space around it.
  [[nodiscard]] std::string_view trimmed() const;
  [[nodiscard]] std::string_view attribute(std::string_view name) const;
  /// The first child element of that name.
  [[nodiscard]] XmlElement child(std::string_view name) const;
  /// All child elements in order.
  [[nodiscard]] std::vector<XmlElement> children() const;
  [[nodiscard]] std::size_t count(std::string_view name) const;

 private:
  void* node_ = nullptr;
};

/// A request body in XML. Documents with a DTD are refused, so entities cannot multiply; depth and size are
/// bounded.  Source: pugixml, which expands no entities but the five of XML.
class XmlDocument {
 public:
  /// Errors: kMalformed.
  static Result<XmlDocument> parse(std::string_view text);
  XmlDocument(XmlDocument&&) noexcept;
  XmlDocument& operator=(XmlDocument&&) noexcept;
  ~XmlDocument();
  [[nodiscard]] XmlElement root() const;

 private:
  struct Impl;
  explicit XmlDocument(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flashstor::s3d
