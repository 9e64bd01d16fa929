#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#ifdef FLASHSTOR_MIMALLOC
#include <mimalloc.h>
#endif

#include "engine/base/log.h"
#include "s3d/node/admin_service.h"
#include "s3d/node/mount_service.h"
#include "s3d/node/node.h"

namespace {

using namespace flashstor;

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

base::LogLevel log_level(const std::string& name) {
  if (name == "debug") return base::LogLevel::kDebug;
  if (name == "warning") return base::LogLevel::kWarning;
  return name == "error" ? base::LogLevel::kError : base::LogLevel::kInfo;
}

/// Words for the operator; causes only where they say more.
int give_up(const Error& error) {
  const std::string words(error.message());
  std::fprintf(stderr, "flashstor-s3d: %s\n", words.c_str());
  if (error.cause() != nullptr) std::fprintf(stderr, "  because: %s\n", error.cause()->describe().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
#ifdef FLASHSTOR_MIMALLOC
  mi_option_set(mi_option_decommit_delay,
                0);  // memory of a peak goes back at once, not when the next is needed
#endif
  auto parsed =
      s3d::parse_options(std::span<const char* const>(argv, static_cast<std::size_t>(argc)), environment);
  if (!parsed) return give_up(parsed.error());
  if (!parsed->print.empty()) {
    std::fputs(parsed->print.c_str(), stdout);
    return 0;
  }
  const s3d::NodeOptions& options = parsed->options;
  if (auto started = base::start_log({.level = log_level(options.log_level),
                                      .file = options.log_file,
                                      .record_file = options.access_log});
      !started)
    return give_up(started.error());
  std::size_t variables = 0;
  while (environ[variables] != nullptr) ++variables;
  for (const std::string& words : s3d::misspelt_variables(std::span<const char* const>(environ, variables)))
    base::log_warning("{}", words);
  std::vector<std::unique_ptr<s3d::NodeService>> services;
  auto mounts = std::make_unique<s3d::MountService>(environment);
  // Both live until the node has stopped; the admin API tells clients where to hand mounts over.
  services.push_back(
      std::make_unique<s3d::AdminService>([service = mounts.get()] { return service->socket_path(); }));
  services.push_back(std::move(mounts));
  const auto outcome = s3d::run_node(std::move(parsed->options), std::move(services));
  base::stop_log();
  return outcome ? 0 : give_up(outcome.error());
}
