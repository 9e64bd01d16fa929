#include "engine/iam/condition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "engine/iam/condition_value.h"

namespace flashstor::iam {
namespace {

using std::chrono::sys_days;
constexpr WallTime kNow = sys_days(std::chrono::year(2026) / 11 / 23) + std::chrono::hours(9);

/// Whether a Condition block holds for these keys.
bool holds(std::string_view block, const ConditionMap& map, Effect effect = Effect::kAllow) {
  const auto json = Json::parse(block);
  EXPECT_TRUE(json.has_value()) << block;
  const auto conditions = parse_conditions(*json, true);
  EXPECT_TRUE(conditions.has_value()) << block;
  if (!conditions) return false;
  const Principal who{Principal::Kind::kUser, "alice", {}};
  const RequestContext request{.now = kNow, .conditions = &map};
  const RequestKeys keys(who, request);
  return std::ranges::all_of(*conditions, [&](const Condition& one) { return one.holds(keys, effect); });
}

std::string refusal(std::string_view block) {
  const auto conditions = parse_conditions(*Json::parse(block), true);
  return conditions ? std::string() : std::string(conditions.error().message());
}

ConditionMap with(std::string_view key, std::string value) {
  ConditionMap map;
  map.set(key, std::move(value));
  return map;
}

TEST(Condition, Strings) {
  const ConditionMap map = with("s3:prefix", "Home/x");
  EXPECT_TRUE(holds(R"({"StringEquals":{"s3:prefix":"Home/x"}})", map));
  EXPECT_TRUE(holds(R"({"StringEquals":{"S3:Prefix":["a","Home/x"]}})", map))
      << "keys are case-insensitive, values are or";
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:prefix":"home/x"}})", map));
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:prefix":"Home/*"}})", map)) << "no wildcards here";
  EXPECT_TRUE(holds(R"({"StringNotEquals":{"s3:prefix":["a","b"]}})", map));
  EXPECT_FALSE(holds(R"({"StringNotEquals":{"s3:prefix":["a","Home/x"]}})", map)) << "negated values are nor";
  EXPECT_TRUE(holds(R"({"StringEqualsIgnoreCase":{"s3:prefix":"hOME/X"}})", map));
  EXPECT_FALSE(holds(R"({"StringNotEqualsIgnoreCase":{"s3:prefix":"hOME/X"}})", map));
  EXPECT_TRUE(holds(R"({"StringLike":{"s3:prefix":"H?me/*"}})", map));
  EXPECT_FALSE(holds(R"({"StringNotLike":{"s3:prefix":"H?me/*"}})", map));
  EXPECT_TRUE(holds(R"({"StringEquals":{"aws:username":"alice"},"StringLike":{"s3:prefix":"*"}})", map));
  EXPECT_FALSE(holds(R"({"StringEquals":{"aws:username":"bob"},"StringLike":{"s3:prefix":"*"}})", map))
      << "blocks are and";
}

TEST(Condition, Numbers) {
  const ConditionMap map = with("s3:max-keys", "100");
  EXPECT_TRUE(holds(R"({"NumericEquals":{"s3:max-keys":"100.0"}})", map));
  EXPECT_TRUE(holds(R"({"NumericEquals":{"s3:max-keys":100}})", map)) << "a JSON number";
  EXPECT_FALSE(holds(R"({"NumericNotEquals":{"s3:max-keys":"100"}})", map));
  EXPECT_FALSE(holds(R"({"NumericLessThan":{"s3:max-keys":"100"}})", map));
  EXPECT_TRUE(holds(R"({"NumericLessThanEquals":{"s3:max-keys":"100"}})", map));
  EXPECT_TRUE(holds(R"({"NumericGreaterThan":{"s3:max-keys":"99.5"}})", map));
  EXPECT_FALSE(holds(R"({"NumericGreaterThan":{"s3:max-keys":"1e3"}})", map));
  EXPECT_TRUE(holds(R"({"NumericGreaterThanEquals":{"s3:max-keys":"100"}})", map));
  const ConditionMap wrong = with("s3:max-keys", "many");
  EXPECT_FALSE(holds(R"({"NumericLessThan":{"s3:max-keys":"100"}})", wrong))
      << "a wrong type matches nothing";
  EXPECT_TRUE(holds(R"({"NumericNotEquals":{"s3:max-keys":"100"}})", wrong));
}

TEST(Condition, Dates) {
  const ConditionMap none;
  EXPECT_TRUE(holds(R"({"DateEquals":{"aws:CurrentTime":"2026-11-23T09:00:00Z"}})", none));
  EXPECT_TRUE(holds(R"({"DateEquals":{"aws:CurrentTime":"2026-11-23T11:00+02:00"}})", none));
  EXPECT_FALSE(holds(R"({"DateNotEquals":{"aws:CurrentTime":"2026-11-23T09:00:00.000Z"}})", none));
  EXPECT_TRUE(holds(R"({"DateGreaterThan":{"aws:CurrentTime":"2026-11-23"}})", none));
  EXPECT_TRUE(holds(R"({"DateLessThan":{"aws:CurrentTime":"2026-12"}})", none));
  EXPECT_FALSE(holds(R"({"DateLessThan":{"aws:CurrentTime":"2026"}})", none));
  EXPECT_TRUE(holds(R"({"DateLessThanEquals":{"aws:CurrentTime":"1795424400"}})", none))
      << "seconds since 1970";
  EXPECT_FALSE(holds(R"({"DateLessThanEquals":{"aws:CurrentTime":"1795424399"}})", none));
  EXPECT_TRUE(holds(R"({"DateGreaterThanEquals":{"aws:EpochTime":"2026-11-23T09:00:00Z"}})", none));
  EXPECT_TRUE(holds(R"({"NumericEquals":{"aws:EpochTime":1795424400}})", none));
}

TEST(Condition, Booleans) {
  const ConditionMap map = with("aws:SecureTransport", "true");
  EXPECT_TRUE(holds(R"({"Bool":{"aws:SecureTransport":"true"}})", map));
  EXPECT_TRUE(holds(R"({"Bool":{"aws:SecureTransport":true}})", map));
  EXPECT_TRUE(holds(R"({"Bool":{"aws:SecureTransport":"TRUE"}})", map));
  EXPECT_FALSE(holds(R"({"Bool":{"aws:SecureTransport":"false"}})", map));
  EXPECT_FALSE(holds(R"({"Bool":{"aws:SecureTransport":"false"}})", with("aws:SecureTransport", "0")));
}

TEST(Condition, Binary) {
  const ConditionMap map = with("s3:x-amz-content-sha256", std::string("\x01\x00\xff", 3));
  EXPECT_TRUE(holds(R"({"BinaryEquals":{"s3:x-amz-content-sha256":"AQD/"}})", map));
  EXPECT_FALSE(holds(R"({"BinaryEquals":{"s3:x-amz-content-sha256":"AQD+"}})", map));
}

TEST(Condition, Addresses) {
  const ConditionMap v4 = with("aws:SourceIp", "192.0.2.77");
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}})", v4));
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.77"]}})", v4));
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"192.0.2.64/27"}})", v4));
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"192.0.2.0/26"}})", v4));
  EXPECT_FALSE(holds(R"({"NotIpAddress":{"aws:SourceIp":"0.0.0.0/0"}})", v4));
  EXPECT_TRUE(holds(R"({"NotIpAddress":{"aws:SourceIp":"192.0.3.0/24"}})", v4));
  EXPECT_TRUE(
      holds(R"({"IpAddress":{"aws:SourceIp":"192.0.2.77"}})", with("aws:SourceIp", "::ffff:192.0.2.77")));
  const ConditionMap v6 = with("aws:SourceIp", "2001:db8::1");
  EXPECT_TRUE(holds(R"({"IpAddress":{"aws:SourceIp":"2001:0DB8::/33"}})", v6));
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"2001:db8:8000::/33"}})", v6));
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}})", v6)) << "all of IPv4 is not IPv6";
  EXPECT_FALSE(holds(R"({"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}})", with("aws:SourceIp", "localhost")));
}

TEST(Condition, Arns) {
  const ConditionMap map = with("aws:SourceArn", "arn:aws:s3:eu:123456789012:bucket/a:b");
  for (const std::string op : {"ArnEquals", "ArnLike"}) {
    EXPECT_TRUE(holds("{\"" + op + R"(":{"aws:SourceArn":"arn:aws:s3:*:*:bucket/*"}})", map)) << op;
    EXPECT_TRUE(holds("{\"" + op + R"(":{"aws:SourceArn":"arn:aws:s3:e?:123456789012:bucket/a:b"}})", map))
        << op;
    EXPECT_FALSE(holds("{\"" + op + R"(":{"aws:SourceArn":"arn:aws:s3:*:bucket/*:x"}})", map)) << op;
  }
  EXPECT_FALSE(holds(R"({"ArnNotEquals":{"aws:SourceArn":"arn:aws:s3:*:*:bucket/*"}})", map));
  EXPECT_TRUE(holds(R"({"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}})", map));
  EXPECT_TRUE(holds(R"({"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/ali*"}})", map));
}

TEST(Condition, Null) {
  const ConditionMap map = with("s3:x-amz-server-side-encryption", "AES256");
  EXPECT_TRUE(holds(R"({"Null":{"s3:x-amz-server-side-encryption":"false"}})", map));
  EXPECT_FALSE(holds(R"({"Null":{"s3:x-amz-server-side-encryption":"true"}})", map));
  EXPECT_TRUE(holds(R"({"Null":{"s3:x-amz-acl":true}})", map));
  EXPECT_FALSE(holds(R"({"Null":{"s3:x-amz-acl":false}})", map));
}

TEST(Condition, AMissingKeyFailsUnlessNegatedOrIfExists) {
  const ConditionMap none;
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:prefix":"a"}})", none));
  EXPECT_FALSE(holds(R"({"StringLike":{"s3:prefix":"*"}})", none));
  EXPECT_TRUE(holds(R"({"StringNotEquals":{"s3:prefix":"a"}})", none));
  EXPECT_TRUE(holds(R"({"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}})", none));
  EXPECT_TRUE(holds(R"({"StringEqualsIfExists":{"s3:prefix":"a"}})", none));
  EXPECT_TRUE(holds(R"({"BoolIfExists":{"aws:SecureTransport":"true"}})", none));
  EXPECT_FALSE(holds(R"({"StringEqualsIfExists":{"s3:prefix":"a"}})", with("s3:prefix", "b")));
}

TEST(Condition, SetsOfValues) {
  ConditionMap map;
  map.set_all("s3:RequestObjectTagKeys", {"team", "cost"});
  EXPECT_TRUE(holds(R"({"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["team","cost","x"]}})", map));
  EXPECT_FALSE(holds(R"({"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["team"]}})", map));
  EXPECT_TRUE(holds(R"({"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["team"]}})", map));
  EXPECT_FALSE(holds(R"({"ForAnyValue:StringLike":{"s3:RequestObjectTagKeys":"x*"}})", map));
  EXPECT_TRUE(holds(R"({"ForAllValues:StringNotEquals":{"s3:RequestObjectTagKeys":["x","y"]}})", map));
  EXPECT_FALSE(holds(R"({"ForAllValues:StringNotEquals":{"s3:RequestObjectTagKeys":["team"]}})", map));
  EXPECT_TRUE(holds(R"({"ForAnyValue:StringNotEquals":{"s3:RequestObjectTagKeys":["team"]}})", map));
  const ConditionMap none;
  EXPECT_TRUE(holds(R"({"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["team"]}})", none));
  EXPECT_FALSE(holds(R"({"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["team"]}})", none));
  EXPECT_TRUE(holds(R"({"ForAnyValue:StringEqualsIfExists":{"s3:RequestObjectTagKeys":["team"]}})", none));
}

TEST(Condition, TagKeysKeepTheirCase) {
  const ConditionMap map = with("s3:ExistingObjectTag/Team", "blue");
  EXPECT_TRUE(holds(R"({"StringEquals":{"S3:existingobjecttag/Team":"blue"}})", map));
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:ExistingObjectTag/team":"blue"}})", map));
}

TEST(Condition, VariablesInValues) {
  const ConditionMap map = with("s3:prefix", "home/alice/");
  EXPECT_TRUE(holds(R"({"StringEquals":{"s3:prefix":"home/${aws:username}/"}})", map));
  EXPECT_TRUE(holds(R"({"StringLike":{"s3:prefix":"home/${aws:username}/*"}})", map));
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:prefix":"home/${aws:PrincipalTag/x}/"}})", map));
  EXPECT_TRUE(holds(R"({"StringEquals":{"s3:prefix":"home/${aws:PrincipalTag/x, 'alice'}/"}})", map));
  // What cannot be known never widens access.
  const std::string_view unknown = R"({"StringNotEquals":{"s3:prefix":"home/${aws:PrincipalTag/x}/"}})";
  EXPECT_FALSE(holds(unknown, map, Effect::kAllow));
  EXPECT_TRUE(holds(unknown, map, Effect::kDeny));
}

TEST(Condition, WrongTypesAndNamesAreRefusedWithWords) {
  EXPECT_EQ(refusal(R"({"StringEqual":{"s3:prefix":"a"}})"), "Invalid Condition type : StringEqual");
  EXPECT_EQ(refusal(R"({"NullIfExists":{"s3:prefix":"true"}})"), "Invalid Condition type : NullIfExists");
  EXPECT_EQ(refusal(R"({"ForSome:StringEquals":{"s3:prefix":"a"}})"),
            "Invalid Condition type : ForSome:StringEquals");
  EXPECT_EQ(refusal(R"({"StringEquals":{"s3:prefxi":"a"}})"),
            "Policy has an invalid condition key: s3:prefxi");
  EXPECT_EQ(refusal(R"({"StringEquals":{"prefix":"a"}})"), "Policy has an invalid condition key: prefix");
  EXPECT_EQ(refusal(R"({"NumericEquals":{"s3:max-keys":"ten"}})"),
            "Invalid value in Condition NumericEquals: ten");
  EXPECT_EQ(refusal(R"({"DateLessThan":{"aws:CurrentTime":"2026-02-30"}})"),
            "Invalid value in Condition DateLessThan: 2026-02-30");
  EXPECT_EQ(refusal(R"({"Bool":{"aws:SecureTransport":"yes"}})"), "Invalid value in Condition Bool: yes");
  EXPECT_EQ(refusal(R"({"Null":{"s3:prefix":"maybe"}})"), "Invalid value in Condition Null: maybe");
  EXPECT_EQ(refusal(R"({"BinaryEquals":{"s3:prefix":"%%"}})"), "Invalid value in Condition BinaryEquals: %%");
  EXPECT_EQ(refusal(R"({"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}})"),
            "Invalid value in Condition IpAddress: 10.0.0.0/33");
  EXPECT_EQ(refusal(R"({"StringEquals":{"s3:prefix":{"a":1}}})"),
            "Invalid value in Condition StringEquals: not a string");
  EXPECT_EQ(refusal(R"({"StringEquals":{"s3:prefix":[null]}})"),
            "Invalid value in Condition StringEquals: not a string");
  EXPECT_EQ(refusal(R"({"StringEquals":{"s3:prefix":[]}})"), "Condition StringEquals has no values");
  EXPECT_EQ(refusal(R"({"StringEquals":"x"})"),
            "Invalid policy syntax: Condition StringEquals must be an object");
  EXPECT_EQ(refusal(R"(["StringEquals"])"), "Invalid policy syntax: Condition must be an object");
}

TEST(ConditionValue, AddressesThatAreNone) {
  for (const std::string_view text :
       {"", "/", "1.2.3", "1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/x", "::/129", "1.2.3.4.5", "g::"})
    EXPECT_FALSE(parse_address(text).has_value()) << text;
  EXPECT_FALSE(parse_address(std::string(500, '1')).has_value());
}

TEST(ConditionValue, DatesThatAreNone) {
  for (const std::string_view text :
       {"", "x", "2026-13", "2026-11-31", "2026-11-23T", "2026-11-23T09", "2026-11-23T09:00",
        "2026-11-23T25:00Z", "2026-11-23T09:00Zx", "2026-11-23T09:00:00.Z", "99999999999999"})
    EXPECT_FALSE(parse_date_ms(text).has_value()) << text;
  EXPECT_EQ(parse_date_ms("1970-01-01T00:00:01.25Z"), 1250);
  EXPECT_EQ(parse_date_ms("1970-01-01T00:00:00-01:30"), 5'400'000);
  EXPECT_EQ(parse_date_ms("-5"), -5000);
}

TEST(ConditionValue, NumbersThatAreNone) {
  for (const std::string_view text : {"", "+", "nan", "inf", "1e999", "0x10", "1 ", "--1"})
    EXPECT_FALSE(parse_number(text).has_value()) << text;
  EXPECT_EQ(parse_number("+1.5"), 1.5);
}

}  // namespace
}  // namespace flashstor::iam
