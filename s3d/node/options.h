#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace flashstor::s3d {

/// Everything that the operator can say about a node: on the command line, as FLASHSTORE_<OPTION>, or in the
/// config file; in that order of precedence.
struct NodeOptions {
  static constexpr std::size_t kDefaultParity = 255;
  std::string address = "0.0.0.0:9000";
  std::string certs_dir;
  std::vector<std::string> mounts;   ///< BUCKET=DIR
  std::vector<std::string> domains;  ///< For virtual-host style.
  std::vector<std::string> drives;   ///< Directories, ellipses expanded.
  std::string region;                ///< Empty: any.
  std::string root_user;
  std::string root_password;
  /// Those before the last change: what they sealed is opened with them and sealed anew. Empty: no change.
  std::string previous_root_user;
  std::string previous_root_password;
  std::string log_file;
  std::string log_level = "info";
  std::string access_log;  ///< "-" for standard error.
  std::string socket;      ///< Unix socket for mounts and local tools.
  std::string config_file;
  std::size_t loops = 0;                ///< 0: one a core, at most kMaxDefaultLoops.
  std::size_t parity = kDefaultParity;  ///< Parity shards of STANDARD.
  std::size_t memory_mib = 128;         ///< Caches and write buffers of all drives together.
  bool public_metrics = false;          ///< /flashstor/metrics without a signature.
  bool gateway = false;                 ///< No drives here: all are on the nodes that `drives` name.
  bool several_nodes = false;           ///< `drives` are http://HOST:PORT/PATH, not expanded.
  std::string cluster_secret;           ///< What nodes of one store know each other by.
  std::string cluster_secret_file;
};

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  [[nodiscard]] bool is_loopback() const;
};

/// Looks one variable of the environment up.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

struct ParsedOptions {
  NodeOptions options;
  std::string print;  ///< Not empty: print it and end with success (--help, --version).
};

/// Errors: kInvalidArgument in words for the operator; an unknown option is told with the nearest known one.
[[nodiscard]] Result<ParsedOptions> parse_options(std::span<const char* const> arguments,
                                                  const Environment& environment);

/// What to warn of: variables that begin with FLASHSTORE_ (or with FLASHSTOR_ and an option's name) and are
/// no option, each with the nearest that is one. `environment` holds NAME=VALUE.
[[nodiscard]] std::vector<std::string> misspelt_variables(std::span<const char* const> environment);

/// HOST:PORT, [::1]:PORT, or :PORT. Errors: kInvalidArgument.
[[nodiscard]] Result<HostPort> parse_host_port(std::string_view text);

/// Root credentials that may serve at this address; fills in the well-known ones on loopback when none are
/// given. Errors: kInvalidArgument for missing, default or weak credentials elsewhere.
[[nodiscard]] Result<void> check_root_credentials(NodeOptions& options, const HostPort& address);
[[nodiscard]] bool has_default_credentials(const NodeOptions& options);

/// The one of `known` that `word` is likeliest to mean; empty when none is near.
[[nodiscard]] std::string_view nearest_word(std::string_view word, std::span<const std::string> known);

}  // namespace flashstor::s3d
