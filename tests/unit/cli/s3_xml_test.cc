#include "cli/s3_xml.h"

#include <gtest/gtest.h>

#include "cli/clock.h"
#include "cli/s3_error.h"

namespace flashstor::cli {
namespace {

TEST(S3Xml, ListingWithEncodedKeys) {
  const auto page = read_objects(
      R"(<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>
      <EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>
      <Contents><Key>a+b%2Bc%0A%C3%BC</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>
      <ETag>&quot;abc-2&quot;</ETag><Size>5368709121</Size><StorageClass>STANDARD</StorageClass></Contents>
      <CommonPrefixes><Prefix>p%2Fq/</Prefix></CommonPrefixes></ListBucketResult>)");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->objects.size(), 1U);
  EXPECT_EQ(page->objects[0].key, "a b+c\nü");
  EXPECT_EQ(page->objects[0].size, 5368709121U);
  EXPECT_EQ(page->objects[0].etag, "abc-2");
  EXPECT_EQ(iso_extended(page->objects[0].modified), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(page->prefixes, std::vector<std::string>{"p/q/"});
  EXPECT_TRUE(page->truncated);
  EXPECT_EQ(page->next_token, "t&1");
}

TEST(S3Xml, PlainKeysAreLeftAlone) {
  const auto page =
      read_objects("<ListBucketResult><Contents><Key>a+%41</Key></Contents></ListBucketResult>");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->objects[0].key, "a+%41");
}

TEST(S3Xml, VersionsKeepTheirOrder) {
  const auto page = read_versions(
      "<ListVersionsResult><Version><Key>a</Key><VersionId>2</VersionId><IsLatest>false</IsLatest><Size>3</"
      "Size></Version>"
      "<DeleteMarker><Key>a</Key><VersionId>3</VersionId><IsLatest>true</IsLatest></DeleteMarker>"
      "<NextKeyMarker>a</NextKeyMarker><NextVersionIdMarker>3</NextVersionIdMarker></ListVersionsResult>");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_FALSE(page->objects[0].is_delete_marker);
  EXPECT_FALSE(page->objects[0].is_latest);
  EXPECT_TRUE(page->objects[1].is_delete_marker);
  EXPECT_EQ(page->next_version_id, "3");
}

TEST(S3Xml, WhatIsNotExpectedIsMalformed) {
  EXPECT_EQ(read_objects("<Other/>").error().code(), ErrorCode::kMalformed);
  EXPECT_EQ(read_objects("not xml").error().code(), ErrorCode::kMalformed);
  EXPECT_EQ(read_buckets("").error().code(), ErrorCode::kMalformed);
  EXPECT_EQ(read_upload_id("<InitiateMultipartUploadResult/>").error().code(), ErrorCode::kMalformed);
  // A complete or copy that failed after its 200.
  EXPECT_FALSE(read_etag("<Error><Code>InternalError</Code></Error>"));
}

TEST(S3Xml, PartsUploadsTagsDeletes) {
  const auto parts = read_parts(
      "<ListPartsResult><Part><PartNumber>2</PartNumber><ETag>\"e\"</ETag><Size>7</Size></Part></"
      "ListPartsResult>");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->parts[0].number, 2);
  EXPECT_EQ(parts->parts[0].etag, "e");
  const auto uploads = read_uploads(
      "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId></Upload></"
      "ListMultipartUploadsResult>");
  EXPECT_EQ(uploads->uploads[0].upload_id, "u");
  const auto failures = read_delete_result(
      "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code></Error></"
      "DeleteResult>");
  ASSERT_EQ(failures->size(), 1U);
  EXPECT_EQ((*failures)[0].code, "AccessDenied");
  EXPECT_EQ(read_tags(write_tags({{"a&b", "<c> "}, {"d", ""}})), (Tags{{"a&b", "<c> "}, {"d", ""}}));
  EXPECT_EQ(read_versioning(write_versioning(true)), "Enabled");
}

TEST(S3Xml, KeysAreEscapedInDeletes) {
  EXPECT_NE(write_delete({{"a<b&\x01\r", "v"}})
                .find("<Object><Key>a&lt;b&amp;&#1;&#13;</Key><VersionId>v</VersionId></Object>"),
            std::string::npos);
}

TEST(S3Error, NamesComeFromXmlAndJson) {
  const Error xml = error_of({404, {}, "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>"});
  EXPECT_EQ(xml.code(), ErrorCode::kNoSuchKey);
  EXPECT_EQ(xml.message(), "gone (NoSuchKey, 404)");
  const Error json = error_of({403, {}, R"({"code":"AccessDenied","message":"no"})"});
  EXPECT_EQ(json.code(), ErrorCode::kAccessDenied);
  EXPECT_EQ(error_of({412, {}, ""}).code(), ErrorCode::kPreconditionFailed);
  EXPECT_TRUE(is_passing(HttpResponse{503, {}, {}}));
  EXPECT_FALSE(is_passing(HttpResponse{501, {}, {}}));
}

}  // namespace
}  // namespace flashstor::cli
