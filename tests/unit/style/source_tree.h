#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace flashstor::style {

/// One source file of the product, as the style tests read it.
struct SourceFile {
  std::string path;  ///< Relative to the repository, with forward slashes.
  std::vector<std::string> lines;
};

/// Every .h and .cc below the folders of the product (not the tests).
inline std::vector<SourceFile> product_sources() {
  namespace fs = std::filesystem;
  const fs::path root(FLASHSTOR_SOURCE_DIR);
  std::vector<SourceFile> files;
  for (const char* folder : {"engine", "s3d", "fusefs", "cli"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cc")) continue;
      SourceFile file{fs::relative(entry.path(), root).generic_string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  }
  return files;
}

/// The line without string literals and without what follows `//`, so that words in text are not taken for
/// code.
inline std::string code_of(const std::string& line) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quoted) {
      if (line[i] == '\\')
        ++i;
      else if (line[i] == '"')
        quoted = false;
      continue;
    }
    if (line[i] == '"' && (i == 0 || line[i - 1] != '\'')) {
      quoted = true;
      continue;
    }
    if (line[i] == '/' && i + 1 < line.size() && line[i + 1] == '/') break;
    out.push_back(line[i]);
  }
  return out;
}

}  // namespace flashstor::style
