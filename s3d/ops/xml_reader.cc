#include "s3d/ops/xml_reader.h"

#include <algorithm>
#include <cstring>
#include <pugixml.hpp>

#include "engine/base/limits.h"
#include "s3d/ops/limits.h"

namespace flashstor::s3d {
namespace {

pugi::xml_node node_of(void* node) { return pugi::xml_node(static_cast<pugi::xml_node_struct*>(node)); }

std::string_view local_name(const char* name) {
  const std::string_view whole(name);
  const auto colon = whole.rfind(':');
  return colon == std::string_view::npos ? whole : whole.substr(colon + 1);
}

/// Walks without recursion: the document may be as deep as its bytes allow.
bool acceptable(const pugi::xml_document& document) {
  int depth = 0;
  pugi::xml_node at = document.first_child();
  while (at) {
    if (at.type() == pugi::node_doctype || depth > ops_limits::kMaxXmlDepth) return false;
    if (at.first_child()) {
      at = at.first_child();
      ++depth;
      continue;
    }
    while (at && !at.next_sibling()) {
      at = at.parent();
      --depth;
      if (at == document) return true;
    }
    at = at.next_sibling();
  }
  return true;
}

}  // namespace

std::string_view XmlElement::name() const { return node_ ? local_name(node_of(node_).name()) : ""; }

std::string_view XmlElement::text() const { return node_ ? node_of(node_).child_value() : ""; }

std::string_view XmlElement::trimmed() const {
  std::string_view value = text();
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = value.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return value.substr(first, value.find_last_not_of(kSpace) - first + 1);
}

std::string_view XmlElement::attribute(std::string_view name) const {
  if (!node_) return {};
  for (const auto& attribute : node_of(node_).attributes())
    if (local_name(attribute.name()) == name) return attribute.value();
  return {};
}

XmlElement XmlElement::child(std::string_view name) const {
  if (!node_) return {};
  for (pugi::xml_node at = node_of(node_).first_child(); at; at = at.next_sibling())
    if (at.type() == pugi::node_element && local_name(at.name()) == name)
      return XmlElement(at.internal_object());
  return {};
}

std::vector<XmlElement> XmlElement::children() const {
  std::vector<XmlElement> all;
  if (!node_) return all;
  for (pugi::xml_node at = node_of(node_).first_child(); at; at = at.next_sibling())
    if (at.type() == pugi::node_element) all.emplace_back(at.internal_object());
  return all;
}

std::size_t XmlElement::count(std::string_view name) const {
  std::size_t found = 0;
  for (const XmlElement& element : children()) found += element.name() == name ? 1 : 0;
  return found;
}

struct XmlDocument::Impl {
  pugi::xml_document document;
};

XmlDocument::XmlDocument(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XmlDocument::XmlDocument(XmlDocument&&) noexcept = default;
XmlDocument& XmlDocument::operator=(XmlDocument&&) noexcept = default;
XmlDocument::~XmlDocument() = default;

Result<XmlDocument> XmlDocument::parse(std::string_view text) {
  if (text.size() > limits::kMaxXmlBytes) return fail(ErrorCode::kMalformed, "document too large");
  if (text.contains(char{0})) return fail(ErrorCode::kMalformed, "NUL in document");
  if (static_cast<std::size_t>(std::ranges::count(text, '<')) > ops_limits::kMaxXmlTags)
    return fail(ErrorCode::kMalformed, "too many elements");
  auto impl = std::make_unique<Impl>();
  constexpr unsigned kOptions = pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol |
                                pugi::parse_doctype | pugi::parse_wconv_attribute |
                                pugi::parse_ws_pcdata_single;
  const auto parsed = impl->document.load_buffer(text.data(), text.size(), kOptions, pugi::encoding_utf8);
  if (!parsed) return fail(ErrorCode::kMalformed, parsed.description());
  if (!acceptable(impl->document)) return fail(ErrorCode::kMalformed, "DTD, or too deep");
  if (!impl->document.document_element()) return fail(ErrorCode::kMalformed, "no element");
  return XmlDocument(std::move(impl));
}

XmlElement XmlDocument::root() const {
  return XmlElement(impl_->document.document_element().internal_object());
}

}  // namespace flashstor::s3d
