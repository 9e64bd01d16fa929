#include <gtest/gtest.h>

#include <regex>

#include "tests/unit/style/source_tree.h"

namespace flashstor::style {
namespace {

constexpr std::size_t kMostFileLines = 600;  // hard stop; most files are to stay under 400
constexpr std::size_t kUsualFileLines = 400;
constexpr double kShareOverUsual = 0.06;
constexpr std::size_t kMostFunctionLines = 100;  // hard stop; most functions are to stay under 70

TEST(Shape, FilesStayShort) {
  std::size_t over = 0;
  const auto files = product_sources();
  for (const SourceFile& file : files) {
    EXPECT_LE(file.lines.size(), kMostFileLines) << file.path;
    if (file.lines.size() > kUsualFileLines) ++over;
  }
  ASSERT_FALSE(files.empty());
  EXPECT_LE(static_cast<double>(over), kShareOverUsual * static_cast<double>(files.size()))
      << over << " of " << files.size() << " files are over " << kUsualFileLines << " lines";
}

// A function starts at a line in column 0 (or 2, inside a class) that ends in `{` and has a parameter list,
// and ends at the closing brace in the same column: what clang-format guarantees.
TEST(Shape, FunctionsStayShort) {
  const std::regex opens(R"(^( {0,2})[A-Za-z_~\[].*\).*\{$)");
  std::size_t functions = 0;
  for (const SourceFile& file : product_sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_match(file.lines[i], match, opens)) continue;
      if (file.lines[i].find("namespace") != std::string::npos) continue;
      const std::string close = match[1].str() + "}";
      std::size_t end = i + 1;
      while (end < file.lines.size() && !file.lines[end].starts_with(close)) ++end;
      ++functions;
      EXPECT_LE(end - i + 1, kMostFunctionLines) << file.path << ":" << i + 1;
    }
  }
  EXPECT_GT(functions, 50U) << "the test found no functions to look at";
}

TEST(Shape, NothingIsLeftForLater) {
  const std::regex later(R"(\b(TODO|FIXME|XXX|HACK)\b)");
  for (const SourceFile& file : product_sources())
    for (std::size_t i = 0; i < file.lines.size(); ++i)
      EXPECT_FALSE(std::regex_search(file.lines[i], later))
          << file.path << ":" << i + 1 << ": " << file.lines[i];
}

TEST(Shape, HeadersStartWithPragmaOnce) {
  for (const SourceFile& file : product_sources())
    if (file.path.ends_with(".h")) {
      ASSERT_FALSE(file.lines.empty()) << file.path;
      EXPECT_EQ(file.lines.front(), "#pragma once") << file.path;
    }
}

TEST(Shape, NoRawNewOrDelete) {
  const std::regex raw(R"((^|[^\w:])(new [A-Z]\w*[({]|new \w+::|delete \w|delete\[\]))");
  for (const SourceFile& file : product_sources())
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      if (file.lines[i].find("NOLINT") != std::string::npos) continue;
      EXPECT_FALSE(std::regex_search(code_of(file.lines[i]), raw))
          << file.path << ":" << i + 1 << ": " << file.lines[i];
    }
}

}  // namespace
}  // namespace flashstor::style
