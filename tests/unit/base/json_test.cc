#include "engine/base/json.h"

#include <gtest/gtest.h>

#include <limits>

namespace flashstor {
namespace {

TEST(Json, ReadsWhatItWrote) {
  Json value = Json::object({{"name", "drive 1"}, {"size", 1024u}, {"ratio", 0.25}, {"full", false}});
  value.set("sets", Json::array({1, 2, Json::object()}));
  value.set("none", nullptr);
  EXPECT_EQ(value.dump(),
            R"({"name":"drive 1","size":1024,"ratio":0.25,"full":false,"sets":[1,2,{}],"none":null})");
  const auto again = Json::parse(value.dump());
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, value);
  EXPECT_EQ(Json::parse(value.pretty()), value);
  EXPECT_EQ(Json::object({{"a", Json::array({1})}}).pretty(), "{\n  \"a\": [\n    1\n  ]\n}");
}

TEST(Json, ReadingIsTotal) {
  const Json value = *Json::parse(R"({"a":{"b":[1,"x"]},"n":-3,"t":true,"d":2.5})");
  EXPECT_EQ(*value.get("a").get("b").at(1).as_string(), "x");
  EXPECT_TRUE(value.get("a").get("b").at(7).get("c").is_null());
  EXPECT_EQ(value.int_or("n"), -3);
  EXPECT_EQ(value.uint_or("n", 9), 9U);
  EXPECT_TRUE(value.bool_or("t"));
  EXPECT_DOUBLE_EQ(value.double_or("d"), 2.5);
  EXPECT_FALSE(value.get("d").as_int());
  EXPECT_EQ(value.string_or("t", "no"), "no");
  EXPECT_FALSE(value.has("z"));
  EXPECT_EQ(value.need_string("n").error().code(), ErrorCode::kMalformed);
}

TEST(Json, KeepsWholeNumbersExactly) {
  EXPECT_EQ(Json::parse("18446744073709551615")->as_uint(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(Json::parse("-9223372036854775808")->as_int(), std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(Json::parse("18446744073709551615")->as_int());
  EXPECT_EQ(Json(18446744073709551615U).dump(), "18446744073709551615");
  EXPECT_EQ(Json(1), Json(1U));
  EXPECT_NE(Json(1), Json(1.0));
}

TEST(Json, ReadsAnyNumberWithoutHarm) {
  EXPECT_EQ(Json::parse("0.1")->as_double(), 0.1);
  EXPECT_EQ(Json::parse("-1.5e3")->as_double(), -1500.0);
  EXPECT_EQ(Json::parse("1e0")->as_double(), 1.0);
  EXPECT_FALSE(Json::parse("1.0")->as_int());
  EXPECT_EQ(Json::parse("-0")->as_int(), 0);
  EXPECT_EQ(Json::parse("[1,-2,3.5]")->dump(), "[1,-2,3.5]");
  EXPECT_EQ(Json::parse("1e-999999999999")->as_double(), 0.0);
  EXPECT_EQ(Json::parse("0." + std::string(5000, '0') + "1")->as_double(), 0.0);
  // Found by fuzzing: read out of bounds in the parser's conversion.
  EXPECT_TRUE(Json::parse("2" + std::string(20, '0') + ".08" + std::string(900, '8') + "e-4200000000"));
  EXPECT_FALSE(Json::parse("1e999"));
  EXPECT_FALSE(Json::parse("1" + std::string(400, '0')));
  for (const char* bad : {"01", "1.", ".5", "1e", "+1", "-", "NaN", "0x1"})
    EXPECT_FALSE(Json::parse(bad)) << bad;
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* bad : {"", "{", "[1,]", "{\"a\":1,\"a\":2}", "nul", "\"\xff\"", "1 2", "{\"a\" 1}"})
    EXPECT_EQ(Json::parse(bad).error().code(), ErrorCode::kMalformed) << bad;
  EXPECT_TRUE(Json::parse(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(Json::parse(std::string(65, '[') + std::string(65, ']')));
  EXPECT_FALSE(Json::parse(std::string(3'000'000, '[')));
  EXPECT_FALSE(Json::parse("[1,2,3]", {.bytes = 6}));
}

TEST(Json, EscapesText) {
  const Json value = std::string("a\"\\\n\0\x01 é", 9);
  EXPECT_EQ(Json::parse(value.dump()), value);
  EXPECT_EQ(Json::parse("\"\\u00e9\"")->as_string()->size(), 2U);
}

TEST(Json, ChangesMembersInPlace) {
  Json value;
  value.set("a", 1).set("b", 2).set("a", 3);
  EXPECT_EQ(value.dump(), R"({"a":3,"b":2})");
  EXPECT_TRUE(value.remove("a"));
  EXPECT_FALSE(value.remove("a"));
  EXPECT_EQ(value, Json::object({{"b", 2}}));
  Json list;
  list.push("x").push(list);
  EXPECT_EQ(list.dump(), R"(["x",["x"]])");
}

}  // namespace
}  // namespace flashstor
