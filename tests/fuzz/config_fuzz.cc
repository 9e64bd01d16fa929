// Any bytes as JSON, as the node's config file, and as words of its command line (drives with ellipses among
// them).
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/json.h"
#include "engine/cluster/topology.h"
#include "s3d/node/options.h"

using namespace flashstor;

namespace {

void json(std::string_view text) {
  const auto parsed = Json::parse(text);
  if (!parsed) return;
  const std::string written = parsed->dump();
  const auto again = Json::parse(written);
  FLASHSTOR_CHECK(again.has_value() && again->dump() == written);
}

/// As a file that the node reads.
void config(std::string_view text) {
  static const int file = ::memfd_create("config", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  FLASHSTOR_CHECK(file >= 0 && ::ftruncate(file, 0) == 0);
  FLASHSTOR_CHECK(::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  const std::vector<const char*> words = {"flashstor-s3d", "--config", path.c_str(), "/drive"};
  const auto parsed = s3d::parse_options(words, [](const std::string&) { return std::nullopt; });
  if (!parsed) FLASHSTOR_CHECK(!parsed.error().message().empty());
}

void words(std::string_view text) {
  std::vector<std::string> kept;
  for (std::size_t end = 0; !text.empty() && kept.size() < 16;
       text.remove_prefix(std::min(end + 1, text.size()))) {
    end = std::min(text.find('\n'), text.size());
    kept.emplace_back(text.substr(0, end));
  }
  (void)s3d::parse_host_port(kept.empty() ? "" : kept.front());
  if (const auto drives = cluster::expand_drives(kept)) {
    FLASHSTOR_CHECK(!drives->empty() && drives->size() <= 4096);
    for (const std::string& drive : *drives) FLASHSTOR_CHECK(!drive.empty());
  }
  std::vector<const char*> arguments = {"flashstor-s3d"};
  for (const std::string& word : kept)
    if (!word.starts_with("--config")) arguments.push_back(word.c_str());
  (void)s3d::parse_options(arguments, [](const std::string&) { return std::nullopt; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      json(text);
      break;
    case 1:
      config(text);
      break;
    default:
      words(text);
  }
  return 0;
}
