#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/json.h"
#include "s3d/ops/access_ring.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/request_stats.h"
#include "s3d/ops/trace_hub.h"

namespace flashstor::s3d {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Records, AreOneLineOfJsonWithoutSecrets) {
  const RequestRecord record{.trace_id = "T",
                             .operation = "GetObject",
                             .path = "/b/a\"\n\x01",
                             .query = redact_query("a=1&X-Amz-Signature=abc&x-amz-credential=AK%2F1"),
                             .status = 200,
                             .authenticate = std::chrono::microseconds(3),
                             .authorise = std::chrono::microseconds(4),
                             .execute = std::chrono::microseconds(5)};
  std::string line;
  append_json_line(line, record);
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_THAT(line, Not(HasSubstr("abc")));
  EXPECT_THAT(line, Not(HasSubstr("AK%2F1")));
  const auto parsed = Json::parse(line);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->string_or("path"), "/b/a\"\n\x01");
  EXPECT_EQ(parsed->uint_or("total_us"), 12U);
}

TEST(AccessRing, RefusesWhenFullAndKeepsOrder) {
  AccessRing ring;
  std::size_t pushed = 0;
  while (ring.push({.status = static_cast<int>(pushed)})) ++pushed;
  EXPECT_EQ(pushed, ops_limits::kAccessRingRecords);
  int next = 0;
  const auto see = [&next](const RequestRecord& record) { EXPECT_EQ(record.status, next++); };
  EXPECT_EQ(ring.drain(10, see), 10U);
  EXPECT_TRUE(ring.push({.status = static_cast<int>(pushed)}));
  EXPECT_EQ(ring.drain(SIZE_MAX, see), pushed - 9);
}

TEST(TraceHub, DropsForSlowListenersAndCountsIt) {
  TraceHub hub;
  EXPECT_FALSE(hub.listening());
  {
    const auto listener = hub.subscribe();
    EXPECT_TRUE(hub.listening());
    for (std::size_t i = 0; i < ops_limits::kMaxTraceQueue + 5; ++i) hub.publish({});
    EXPECT_EQ(listener->take().size(), ops_limits::kMaxTraceQueue);
    EXPECT_EQ(listener->take_dropped(), 5U);
    EXPECT_EQ(listener->take_dropped(), 0U);
  }
  EXPECT_FALSE(hub.listening());
}

TEST(TraceHub, RefusesTooManyListeners) {
  TraceHub hub;
  std::vector<std::unique_ptr<TraceHub::Subscription>> all;
  for (std::size_t i = 0; i < ops_limits::kMaxTraceListeners; ++i) all.push_back(hub.subscribe());
  EXPECT_EQ(hub.subscribe(), nullptr);
  all.pop_back();
  EXPECT_NE(hub.subscribe(), nullptr);
}

TEST(RequestStats, AddsLoopsUp) {
  std::vector<std::unique_ptr<RequestStats>> loops;
  for (int i = 0; i < 2; ++i) loops.push_back(std::make_unique<RequestStats>());
  loops[0]->count_request(0, 200, std::chrono::milliseconds(2), 1, 10);
  loops[1]->count_request(0, 204, std::chrono::seconds(9), 2, 20);
  loops[1]->count_auth_failure(AuthFailure::kSkewed);
  base::MetricsPage page;
  RequestStats::write(page, loops);
  const std::string text = page.text();
  EXPECT_THAT(text, HasSubstr(R"(flashstor_s3_requests_total{operation="ListBuckets",status="2xx"} 2)"));
  EXPECT_THAT(text,
              HasSubstr(R"(flashstor_s3_request_seconds_bucket{operation="ListBuckets",le="0.0025"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(flashstor_s3_sent_bytes_total{operation="ListBuckets"} 30)"));
}

TEST(ObjectHeaders, ParsesRanges) {
  EXPECT_EQ(*parse_range("bytes=5-7")->last, 7U);
  EXPECT_FALSE(parse_range("bytes=5-")->last.has_value());
  EXPECT_FALSE(parse_range("bytes=-3")->first.has_value());
  for (const char* ignored : {"bytes=7-5", "bytes=-", "items=1-2", "bytes=1-2,4-5", "bytes=a-b", "bytes=1"})
    EXPECT_FALSE(parse_range(ignored).has_value()) << ignored;
}

TEST(ObjectHeaders, ParsesEveryFormOfHttpDates) {
  const auto wanted = base::from_nanoseconds(784'111'777'000'000'000);
  EXPECT_EQ(parse_http_time("Sun, 06 Nov 1994 08:49:37 GMT"), wanted);
  EXPECT_EQ(parse_http_time("Sunday, 06-Nov-94 08:49:37 GMT"), wanted);
  EXPECT_EQ(parse_http_time("Sun Nov  6 08:49:37 1994"), wanted);
  EXPECT_FALSE(parse_http_time("yesterday").has_value());
  EXPECT_FALSE(parse_http_time("Sun, 31 Feb 1994 08:49:37 GMT").has_value());
}

TEST(ObjectHeaders, CarriesUnicodeMetadataAsMimeWords) {
  EXPECT_EQ(encode_mime_words("plain text"), "plain text");
  EXPECT_EQ(decode_mime_words(encode_mime_words("größe 😀")), "größe 😀");
  EXPECT_EQ(decode_mime_words("a =?UTF-8?Q?=C3=BC_b?= =?utf-8?b?w7w=?="), "a ü bü");
  EXPECT_EQ(decode_mime_words("=?UTF-8?B?broken"), "=?UTF-8?B?broken");
}

}  // namespace
}  // namespace flashstor::s3d
