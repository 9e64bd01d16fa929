#include "s3d/ops/dispatch.h"

#include <gtest/gtest.h>

#include <map>

namespace flashstor::s3d {
namespace {

/// A request made by hand; owns what its views point to.
struct Made {
  std::vector<QueryParam> query;
  std::vector<HeaderField> headers;
  Request::Parts parts;
  Request request() {
    parts.query = query;
    parts.headers = headers;
    return Request(parts);
  }
};

std::string routed(std::string_view method, std::string_view path, std::vector<QueryParam> query = {},
                   std::vector<HeaderField> headers = {}) {
  Made made{std::move(query), std::move(headers), {}};
  made.parts.method = method;
  made.parts.path = path;
  const Request request = made.request();
  const Route found = route(request, resolve_target(request, {}));
  if (found.refusal) return "!" + std::string(shape_of(found.refusal->code).code);
  return std::string(found.operation->name);
}

TEST(Dispatch, FindsPlainOperations) {
  EXPECT_EQ(routed("GET", "/"), "ListBuckets");
  EXPECT_EQ(routed("GET", "/b"), "ListObjects");
  EXPECT_EQ(routed("GET", "/b/"), "ListObjects");
  EXPECT_EQ(routed("GET", "/b/k"), "GetObject");
  EXPECT_EQ(routed("PUT", "/b/k/"), "PutObject");
  EXPECT_EQ(routed("GET", "/b", {{"list-type", "2", true}}), "ListObjectsV2");
}

TEST(Dispatch, MostSpecificSelectorWins) {
  const std::vector<QueryParam> part = {{"partNumber", "1", true}, {"uploadId", "u", true}};
  EXPECT_EQ(routed("PUT", "/b/k", part), "UploadPart");
  EXPECT_EQ(routed("PUT", "/b/k", part, {{"X-Amz-Copy-Source", "/b/s"}}), "UploadPartCopy");
  EXPECT_EQ(routed("PUT", "/b/k", {}, {{"x-amz-copy-source", "/b/s"}}), "CopyObject");
  EXPECT_EQ(routed("GET", "/b/k", {{"uploadId", "u", true}}), "ListParts");
  EXPECT_EQ(routed("GET", "/b/k", {{"partNumber", "1", true}}), "GetObject");
}

TEST(Dispatch, NeverFallsThroughToPlainOperations) {
  EXPECT_EQ(routed("PUT", "/b/k", {{"unheard-of", "", false}}), "!NotImplemented");
  EXPECT_EQ(routed("GET", "/b/k", {{"torrent", "", false}}), "!NotImplemented");
  EXPECT_EQ(routed("PUT", "/b", {{"lifecycle", "", false}}), "!NotImplemented");
  EXPECT_EQ(routed("DELETE", "/b", {{"acl", "", false}}), "!MethodNotAllowed");
  EXPECT_EQ(routed("DELETE", "/b/k", {{"acl", "", false}}), "!MethodNotAllowed");
  EXPECT_EQ(routed("PUT", "/b/k", {{"partNumber", "1", true}}), "!MethodNotAllowed");
  EXPECT_EQ(routed("PUT", "/b/k", {{"response-content-type", "a", true}}), "!NotImplemented");
  EXPECT_EQ(routed("PATCH", "/b/k"), "!MethodNotAllowed");
}

TEST(Dispatch, TakesWhatEveryClientAdds) {
  EXPECT_EQ(routed("GET", "/b/k", {{"x-id", "GetObject", true}, {"X-Amz-Signature", "s", true}}),
            "GetObject");
  EXPECT_EQ(routed("GET", "/b/k", {{"versionId", "v", true}}), "GetObject");
}

TEST(Dispatch, EveryRowIsReachedAndNamedOnce) {
  std::map<std::string_view, int> names;
  for (const Operation& row : operations()) {
    EXPECT_EQ(++names[row.name], 1) << row.name;
    EXPECT_EQ(&operations()[slot_of(row)], &row);
  }
  EXPECT_GT(names.size(), 100U);
}

TEST(Dispatch, ResolvesVirtualHosts) {
  const std::vector<std::string> domains = {"s3.example.org"};
  Made made;
  made.parts.path = "/a/b";
  made.parts.host = "my.bucket.S3.example.org:9000";
  Target target = resolve_target(made.request(), domains);
  EXPECT_EQ(target.bucket, "my.bucket");
  EXPECT_EQ(target.key, "a/b");
  made.parts.host = "s3.example.org";
  target = resolve_target(made.request(), domains);
  EXPECT_EQ(target.bucket, "a");
  EXPECT_EQ(target.key, "b");
  made.parts.host = "evils3.example.org";
  EXPECT_EQ(resolve_target(made.request(), domains).bucket, "a");
}

}  // namespace
}  // namespace flashstor::s3d
