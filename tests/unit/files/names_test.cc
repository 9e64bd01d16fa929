#include "engine/files/names.h"

#include <gtest/gtest.h>

namespace flashstor::files {
namespace {

using namespace std::string_literals;

TEST(Names, EveryComponentComesBack) {
  for (const std::string& component : {"plain"s, "with space"s, ""s, "."s, ".."s, "%"s, "%25"s, "%file"s,
                                       "x%file"s, "nul\0byte"s, "ünïcode"s, "..."s}) {
    for (const bool shadowed : {false, true}) {
      const std::string name = name_of_component(component, shadowed);
      EXPECT_EQ(name.find('/'), std::string::npos);
      EXPECT_EQ(name.find('\0'), std::string::npos);
      EXPECT_NE(name, "");
      EXPECT_NE(name, ".");
      EXPECT_NE(name, "..");
      const auto back = component_of_name(name);
      ASSERT_TRUE(back.has_value()) << name;
      EXPECT_EQ(back->bytes, component);
      EXPECT_EQ(back->shadowed_file, shadowed);
    }
  }
}

TEST(Names, APlainNameIsItsOwnKey) {
  EXPECT_EQ(name_of_component("a.txt", false), "a.txt");
  EXPECT_EQ(key_of_path("a/b c/d.txt")->key, "a/b c/d.txt");
  EXPECT_EQ(key_of_path("")->key, "");
}

TEST(Names, EmptyComponentsMakeDoubleSlashes) { EXPECT_EQ(key_of_path("a/%/b")->key, "a//b"); }

TEST(Names, NamesThatNoComponentHasAreNotFound) {
  EXPECT_FALSE(component_of_name("%abc").has_value());  // `abc` is plain
  EXPECT_FALSE(component_of_name("%2").has_value());
  EXPECT_FALSE(component_of_name("%zz").has_value());
}

TEST(Names, TooLongIsSaid) {
  EXPECT_EQ(component_of_name(std::string(256, 'x')).error().code(), ErrorCode::kNameTooLong);
  std::string path(250, 'y');
  for (int i = 0; i < 4; ++i) path += "/" + std::string(250, 'y');
  EXPECT_EQ(key_of_path(path).error().code(), ErrorCode::kNameTooLong);
}

}  // namespace
}  // namespace flashstor::files
