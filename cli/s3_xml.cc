#include "cli/s3_xml.h"

#include <fmt/format.h>

#include <cstdlib>
#include <pugixml.hpp>
#include <sstream>

#include "cli/clock.h"
#include "cli/text.h"
#include "engine/base/json.h"

namespace flashstor::cli {
namespace {

constexpr unsigned kParse = pugi::parse_default | pugi::parse_ws_pcdata_single;
constexpr const char* kNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A parsed answer whose root is one of those expected.
class Document {
 public:
  static Result<Document> parse(std::string_view xml, std::initializer_list<std::string_view> roots) {
    Document result;
    const auto status = result.document_->load_buffer(xml.data(), xml.size(), kParse);
    if (!status)
      return fail(ErrorCode::kMalformed, std::string("the answer is no XML: ") + status.description());
    result.root_ = result.document_->document_element();
    for (const std::string_view root : roots)
      if (root == result.root_.name()) return result;
    return fail(ErrorCode::kMalformed, fmt::format("the answer is a <{}>", result.root_.name()));
  }
  [[nodiscard]] pugi::xml_node root() const { return root_; }

 private:
  Document() : document_(std::make_unique<pugi::xml_document>()) {}
  std::unique_ptr<pugi::xml_document> document_;
  pugi::xml_node root_;
};

std::string text_of(pugi::xml_node node, const char* name) { return node.child_value(name); }

bool flag_of(pugi::xml_node node, const char* name) { return text_of(node, name) == "true"; }

std::uint64_t number_of(pugi::xml_node node, const char* name) {
  return std::strtoull(node.child_value(name), nullptr, 10);
}

std::string etag_of(pugi::xml_node node) {
  std::string etag = text_of(node, "ETag");
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return etag;
}

/// Decodes names of a listing that says it is url-encoded.
class Names {
 public:
  explicit Names(pugi::xml_node root) : encoded_(text_of(root, "EncodingType") == "url") {}
  [[nodiscard]] std::string of(pugi::xml_node node, const char* name) const {
    std::string text = text_of(node, name);
    return encoded_ ? percent_decode(text, true).value_or(text) : text;
  }

 private:
  bool encoded_;
};

ObjectInfo object_of(pugi::xml_node node, const Names& names) {
  ObjectInfo object;
  object.key = names.of(node, "Key");
  object.size = number_of(node, "Size");
  object.modified = parse_iso(text_of(node, "LastModified")).value_or(WallTime());
  object.etag = etag_of(node);
  object.storage_class = text_of(node, "StorageClass");
  object.version_id = text_of(node, "VersionId");
  return object;
}

void add_prefixes(pugi::xml_node root, const Names& names, ListPage& page) {
  for (const pugi::xml_node node : root.children("CommonPrefixes"))
    page.prefixes.push_back(names.of(node, "Prefix"));
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char character : text) {
    switch (character) {
      case '&':
        out.append("&amp;");
        break;
      case '<':
        out.append("&lt;");
        break;
      case '>':
        out.append("&gt;");
        break;
      case '"':
        out.append("&quot;");
        break;
      case '\r':
        out.append("&#13;");
        break;
      default:
        // XML 1.0 cannot hold other control bytes; S3 reads their references all the same.
        if (static_cast<unsigned char>(character) < 0x20 && character != '\n' && character != '\t') {
          out.append(fmt::format("&#{};", static_cast<int>(character)));
        } else {
          out.push_back(character);
        }
    }
  }
  return out;
}

}  // namespace

Result<std::vector<BucketInfo>> read_buckets(std::string_view xml) {
  const auto document = Document::parse(xml, {"ListAllMyBucketsResult"});
  if (!document) return std::unexpected(document.error());
  std::vector<BucketInfo> buckets;
  for (const pugi::xml_node node : document->root().child("Buckets").children("Bucket"))
    buckets.push_back({text_of(node, "Name"), parse_iso(text_of(node, "CreationDate")).value_or(WallTime())});
  return buckets;
}

Result<ListPage> read_objects(std::string_view xml) {
  const auto document = Document::parse(xml, {"ListBucketResult"});
  if (!document) return std::unexpected(document.error());
  const pugi::xml_node root = document->root();
  const Names names(root);
  ListPage page;
  for (const pugi::xml_node node : root.children("Contents")) page.objects.push_back(object_of(node, names));
  add_prefixes(root, names, page);
  page.truncated = flag_of(root, "IsTruncated");
  page.next_token = text_of(root, "NextContinuationToken");
  return page;
}

Result<ListPage> read_versions(std::string_view xml) {
  const auto document = Document::parse(xml, {"ListVersionsResult", "ListObjectVersionsResult"});
  if (!document) return std::unexpected(document.error());
  const pugi::xml_node root = document->root();
  const Names names(root);
  ListPage page;
  for (const pugi::xml_node node : root.children()) {
    const std::string_view kind = node.name();
    if (kind != "Version" && kind != "DeleteMarker") continue;
    ObjectInfo object = object_of(node, names);
    object.is_latest = flag_of(node, "IsLatest");
    object.is_delete_marker = kind == "DeleteMarker";
    page.objects.push_back(std::move(object));
  }
  add_prefixes(root, names, page);
  page.truncated = flag_of(root, "IsTruncated");
  page.next_token = names.of(root, "NextKeyMarker");
  page.next_version_id = text_of(root, "NextVersionIdMarker");
  return page;
}

Result<UploadPage> read_uploads(std::string_view xml) {
  const auto document = Document::parse(xml, {"ListMultipartUploadsResult"});
  if (!document) return std::unexpected(document.error());
  const pugi::xml_node root = document->root();
  const Names names(root);
  UploadPage page;
  for (const pugi::xml_node node : root.children("Upload"))
    page.uploads.push_back({names.of(node, "Key"), text_of(node, "UploadId"),
                            parse_iso(text_of(node, "Initiated")).value_or(WallTime())});
  page.truncated = flag_of(root, "IsTruncated");
  page.next_key = names.of(root, "NextKeyMarker");
  page.next_upload_id = text_of(root, "NextUploadIdMarker");
  return page;
}

Result<PartPage> read_parts(std::string_view xml) {
  const auto document = Document::parse(xml, {"ListPartsResult"});
  if (!document) return std::unexpected(document.error());
  const pugi::xml_node root = document->root();
  PartPage page;
  for (const pugi::xml_node node : root.children("Part"))
    page.parts.push_back(
        {static_cast<int>(number_of(node, "PartNumber")), number_of(node, "Size"), etag_of(node)});
  page.truncated = flag_of(root, "IsTruncated");
  page.next_part = text_of(root, "NextPartNumberMarker");
  return page;
}

Result<std::string> read_upload_id(std::string_view xml) {
  const auto document = Document::parse(xml, {"InitiateMultipartUploadResult"});
  if (!document) return std::unexpected(document.error());
  std::string id = text_of(document->root(), "UploadId");
  if (id.empty()) return fail(ErrorCode::kMalformed, "the answer has no UploadId");
  return id;
}

Result<std::string> read_etag(std::string_view xml) {
  const auto document =
      Document::parse(xml, {"CopyObjectResult", "CopyPartResult", "CompleteMultipartUploadResult"});
  if (!document) return std::unexpected(document.error());
  return etag_of(document->root());
}

Result<std::vector<DeleteFailure>> read_delete_result(std::string_view xml) {
  const auto document = Document::parse(xml, {"DeleteResult"});
  if (!document) return std::unexpected(document.error());
  std::vector<DeleteFailure> failures;
  for (const pugi::xml_node node : document->root().children("Error"))
    failures.push_back(
        {text_of(node, "Key"), text_of(node, "VersionId"), text_of(node, "Code"), text_of(node, "Message")});
  return failures;
}

Result<Tags> read_tags(std::string_view xml) {
  const auto document = Document::parse(xml, {"Tagging"});
  if (!document) return std::unexpected(document.error());
  Tags tags;
  for (const pugi::xml_node node : document->root().child("TagSet").children("Tag"))
    tags.emplace_back(text_of(node, "Key"), text_of(node, "Value"));
  return tags;
}

Result<std::string> read_versioning(std::string_view xml) {
  const auto document = Document::parse(xml, {"VersioningConfiguration"});
  if (!document) return std::unexpected(document.error());
  return text_of(document->root(), "Status");
}

S3Fault read_fault(std::string_view body) {
  if (const auto json = Json::parse(body); json && json->is_object())
    return {json->string_or("code"), json->string_or("message"), {}};
  const auto document = Document::parse(body, {"Error"});
  if (!document) return {};
  const pugi::xml_node root = document->root();
  return {text_of(root, "Code"), text_of(root, "Message"), text_of(root, "Region")};
}

std::string write_complete(const std::vector<PartInfo>& parts) {
  std::string out = fmt::format("<CompleteMultipartUpload xmlns=\"{}\">", kNamespace);
  for (const PartInfo& part : parts)
    out.append(fmt::format("<Part><PartNumber>{}</PartNumber><ETag>\"{}\"</ETag></Part>", part.number,
                           escaped(part.etag)));
  return out + "</CompleteMultipartUpload>";
}

std::string write_delete(const std::vector<DeleteTarget>& targets) {
  std::string out = fmt::format("<Delete xmlns=\"{}\"><Quiet>true</Quiet>", kNamespace);
  for (const DeleteTarget& target : targets) {
    out.append("<Object><Key>").append(escaped(target.key)).append("</Key>");
    if (!target.version_id.empty())
      out.append("<VersionId>").append(escaped(target.version_id)).append("</VersionId>");
    out.append("</Object>");
  }
  return out + "</Delete>";
}

std::string write_tags(const Tags& tags) {
  std::string out = fmt::format("<Tagging xmlns=\"{}\"><TagSet>", kNamespace);
  for (const auto& [name, value] : tags)
    out.append(fmt::format("<Tag><Key>{}</Key><Value>{}</Value></Tag>", escaped(name), escaped(value)));
  return out + "</TagSet></Tagging>";
}

std::string write_versioning(bool enabled) {
  return fmt::format("<VersioningConfiguration xmlns=\"{}\"><Status>{}</Status></VersioningConfiguration>",
                     kNamespace, enabled ? "Enabled" : "Suspended");
}

std::string write_location(std::string_view region) {
  return fmt::format(
      "<CreateBucketConfiguration xmlns=\"{}\"><LocationConstraint>{}</LocationConstraint>"
      "</CreateBucketConfiguration>",
      kNamespace, escaped(region));
}

}  // namespace flashstor::cli
