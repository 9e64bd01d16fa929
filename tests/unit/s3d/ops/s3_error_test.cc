#include "s3d/ops/s3_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "s3d/ops/xml_reader.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

using testing::HasSubstr;

std::string text_of(BufferChain chain) { return std::string(chain.flatten().view()); }

TEST(S3Error, NamesTheStatusThatAwsGives) {
  EXPECT_EQ(shape_of(s3_code_of(ErrorCode::kNoSuchKey)).code, "NoSuchKey");
  EXPECT_EQ(shape_of(s3_code_of(ErrorCode::kNoSuchKey)).status, 404);
  EXPECT_EQ(shape_of(s3_code_of(ErrorCode::kInvalidRange)).status, 416);
  EXPECT_EQ(shape_of(s3_code_of(ErrorCode::kUnknownOutcome)).status, 503);
  EXPECT_EQ(shape_of(S3Code::kXAmzContentSHA256Mismatch).code, "XAmzContentSHA256Mismatch");
}

TEST(S3Error, WritesTheDocumentWithEscapedNames) {
  const std::string document = text_of(error_document(
      {.code = S3Code::kNoSuchKey},
      {.resource = "/b/a%3Cb", .bucket = "b", .key = "a<b\x01", .request_id = "R", .host_id = "H"}));
  EXPECT_THAT(document, HasSubstr("<Code>NoSuchKey</Code>"));
  EXPECT_THAT(document, HasSubstr("<Key>a&lt;b&#x1;</Key>"));
  EXPECT_THAT(document, HasSubstr("<RequestId>R</RequestId>"));
}

TEST(S3Error, DoesNotTellTheInsideOfTheServer) {
  const S3Error error = to_s3_error(Error(ErrorCode::kIo, "open /data1/secret: EIO"));
  EXPECT_EQ(error.code, S3Code::kInternalError);
  EXPECT_EQ(error.message, "");
}

TEST(XmlWriter, KeepsLongDocumentsWholeOverBlocks) {
  XmlWriter xml;
  xml.open("A");
  std::string wanted = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<A>";
  for (int i = 0; i < 5000; ++i) {
    xml.element("B", "x&y");
    wanted += "<B>x&amp;y</B>";
  }
  xml.close("A");
  EXPECT_EQ(text_of(xml.take()), wanted + "</A>");
}

TEST(XmlWriter, FormatsTimes) {
  const WallTime at = base::from_nanoseconds(1'255'369'830'123'456'789);
  EXPECT_EQ(iso_time(at), "2009-10-12T17:50:30.123Z");
  EXPECT_EQ(http_time(at), "Mon, 12 Oct 2009 17:50:30 GMT");
}

TEST(XmlWriter, EncodesListings) { EXPECT_EQ(listing_encode("a b+c/ü%*"), "a%20b%2Bc/%C3%BC%25*"); }

TEST(XmlReader, ReadsWhatWriterWrote) {
  XmlWriter xml;
  xml.open_root("Delete").element("Key", " a\r\n\x02<&>\" ").close("Delete");
  const auto document = XmlDocument::parse(text_of(xml.take()));
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->root().name(), "Delete");
  EXPECT_EQ(document->root().child("Key").text(), " a\r\n\x02<&>\" ");
  EXPECT_FALSE(document->root().child("None").child("Deeper").present());
}

TEST(XmlReader, RefusesBombsAndDepth) {
  EXPECT_FALSE(XmlDocument::parse("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>").has_value());
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "<a>";
  for (int i = 0; i < 10'000; ++i) deep += "</a>";
  EXPECT_FALSE(XmlDocument::parse(deep).has_value());
  EXPECT_FALSE(XmlDocument::parse("").has_value());
  EXPECT_FALSE(XmlDocument::parse("<a>").has_value());
  EXPECT_FALSE(XmlDocument::parse(std::string_view("<a>\0</a>", 8)).has_value());
}

}  // namespace
}  // namespace flashstor::s3d
