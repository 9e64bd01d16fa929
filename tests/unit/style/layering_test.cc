#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "tests/unit/style/source_tree.h"

namespace flashstor::style {
namespace {

// What each folder may include besides itself: docs/architecture.md, Layering.
const std::map<std::string, std::set<std::string>>& allowed() {
  static const std::set<std::string> base{"engine/base"};
  static const std::map<std::string, std::set<std::string>> table{
      {"engine/base", {}},
      {"engine/async", {"engine/base"}},
      {"engine/codec", {"engine/async", "engine/base"}},
      {"engine/storage", {"engine/codec", "engine/async", "engine/base"}},
      {"engine/cluster", {"engine/storage", "engine/codec", "engine/async", "engine/base"}},
      {"engine/objects", {"engine/cluster", "engine/storage", "engine/codec", "engine/async", "engine/base"}},
      {"engine/files",
       {"engine/objects", "engine/cluster", "engine/storage", "engine/codec", "engine/async", "engine/base"}},
      {"engine/iam",
       {"engine/objects", "engine/cluster", "engine/storage", "engine/codec", "engine/async", "engine/base"}},
      {"s3d", {"engine"}},
      {"fusefs", {"engine"}},
      {"cli", {"engine"}},
  };
  return table;
}

// Where each third-party header lives: prefix of the include -> the only files that may have it.
const std::vector<std::pair<std::string, std::string>>& homes() {
  static const std::vector<std::pair<std::string, std::string>> table{
      {"uv.h", "^(engine/async/uv_|fusefs/session)"},
      {"isa-l", "^engine/codec/"},
      {"rocksdb/", "^engine/storage/row_store_rocksdb"},
      {"rapidjson/", "^engine/base/json"},
      {"fuse_lowlevel.h", "^fusefs/"},
      {"fuse3/", "^fusefs/"},
      {"boost/", "^s3d/http/"},
      {"pugixml.hpp", "^(s3d/ops|cli)/"},
      {"CLI/", "^(s3d|cli|fusefs)/"},
      {"prometheus/", "^engine/base/metrics"},
      {"spdlog/", "^engine/base/log"},
      {"curl/", "^cli/"},
  };
  return table;
}

std::string folder_of(const std::string& path) {
  for (const auto& [folder, _] : allowed())
    if (path.starts_with(folder + "/")) return folder;
  return {};
}

bool may_include(const std::string& path, const std::string& target) {
  const std::string folder = folder_of(path);
  if (target.starts_with(folder + "/")) return true;
  // Only a main.cc, and s3d/node which is main's wiring, put the doors together.
  if (path == "s3d/main.cc" || path.starts_with("s3d/node/")) return !target.starts_with("tests/");
  if (path == "fusefs/main.cc" || path == "cli/main.cc" || path.starts_with("cli/drive"))
    return !target.starts_with("tests/");
  if (path == "fusefs/main.cc" && target.starts_with("cli/mount_client")) return true;
  for (const std::string& below : allowed().at(folder))
    if (target.starts_with(below + "/")) return true;
  return false;
}

TEST(Layering, IncludesGoDownOnly) {
  const std::regex include(R"(^\s*#include\s+"([^"]+)\")");
  std::size_t seen = 0;
  for (const SourceFile& file : product_sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(file.lines[i], match, include)) continue;
      ++seen;
      EXPECT_TRUE(may_include(file.path, match[1])) << file.path << ":" << i + 1 << " includes " << match[1];
    }
  }
  EXPECT_GT(seen, 50U) << "the test found no includes to look at";
}

TEST(Layering, ThirdPartyHeadersHaveAHome) {
  const std::regex include(R"(^\s*#include\s+<([^>]+)>)");
  for (const SourceFile& file : product_sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(file.lines[i], match, include)) continue;
      const std::string header = match[1];
      for (const auto& [prefix, home] : homes())
        if (header.starts_with(prefix))
          EXPECT_TRUE(std::regex_search(file.path, std::regex(home)))
              << file.path << ":" << i + 1 << " includes <" << header << ">, whose home is " << home;
    }
  }
}

// Every outside force has one seam; the call behind it appears nowhere else.
TEST(Layering, OutsideForcesAreReachedThroughTheirSeams) {
  struct Ban {
    const char* pattern;
    const char* home;
  };
  const std::vector<Ban> bans{
      {R"((^|[^\w:.>])::(open|openat|fsync|fdatasync|pwrite|pread|rename|unlink|mkdir)\()",
       "^(engine/storage/(file_io|posix_file_io)|engine/async/uv_|fusefs/|cli/|s3d/(node|audit)/)"},
      {R"(system_clock::now)", "^(engine/async/uv_runtime|cli/)"},
      {R"(steady_clock::now)",
       "^(engine/async/uv_runtime|cli/|engine/storage/(file_io|posix_file_io|guarded_storage))"},
      {R"(random_device)", "^$"},
      {R"(\bstd::(thread|jthread)\b(?!::hardware_concurrency|::id))",
       "^(engine/async/(work_pool|uv_)|engine/storage/commit_log/|engine/storage/log_|s3d/"
       "(node|main|audit)|fusefs/main|cli/)"},
      {R"(sleep_for\(std::|this_thread::sleep|\busleep\(|\bnanosleep\()", "^cli/"},
      {R"(\b(strcpy|strcat|sprintf|gets|atoi|atol|rand|srand|mktemp|tmpnam)\()", "^$"},
      {R"(\bthrow\b)", "^$"},
  };
  for (const SourceFile& file : product_sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string code = code_of(file.lines[i]);
      for (const Ban& ban : bans)
        if (std::regex_search(code, std::regex(ban.pattern)))
          EXPECT_TRUE(std::regex_search(file.path, std::regex(ban.home)))
              << file.path << ":" << i + 1 << ": " << file.lines[i];
    }
  }
}

}  // namespace
}  // namespace flashstor::style
