#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

/// How the drives of several nodes form sets.
namespace flashstor::cluster {

/// One drive of a spread and its place.
struct SpreadDrive {
  std::uint32_t node = 0;
  std::string path;  ///< On its node.
  std::uint32_t set = 0;
  std::uint32_t slot = 0;
};

/// Every node and drive of a deployment, the same on each node that was started with the same list.
struct Spread {
  std::vector<std::string> nodes;   ///< "host:port", in the order of the list.
  std::vector<SpreadDrive> drives;  ///< By set, then slot.
  std::uint32_t set_drives = 1;
  std::uint32_t self = 0;  ///< This node's number.
  bool tls = false;        ///< Nodes are named https://: they speak TLS.
  /// This node has no drives and is no node of the list: it stands at the end of `nodes`, here alone.
  bool gateway = false;

  [[nodiscard]] std::string_view scheme() const { return tls ? "https://" : "http://"; }

  [[nodiscard]] std::uint32_t set_count() const {
    return static_cast<std::uint32_t>(drives.size() / set_drives);
  }
  [[nodiscard]] const SpreadDrive& drive(std::uint32_t set, std::uint32_t slot) const {
    return drives[set * set_drives + slot];
  }
  /// The list in one canonical form, a drive a line; nodes compare it.
  [[nodiscard]] std::string text() const;
};

/// Whether any of `arguments` names a node (`http://…`).
[[nodiscard]] bool names_nodes(const std::vector<std::string>& arguments);

/// Expands `http://node{1...4}:9000/data{1...4}` and lays the drives into sets so that every set takes the
/// same number of drives from each node (or, with more than 16 nodes, at most one). `address` ("host:port")
/// says which node this is; with a wildcard host the node of that port, or of `host_name` where several have
/// it. Errors: kInvalidArgument in words: a mixture with local paths, a node without a port or with another
/// number of drives, a drive given twice, drives that no sets can be cut from, this node not in the list or
/// not told apart; http:// beside https://; a gateway that is a node of the
/// list.
[[nodiscard]] Result<Spread> lay_out_spread(const std::vector<std::string>& arguments,
                                            std::string_view address, std::string_view host_name,
                                            bool gateway = false);

/// Where two lists differ, in words; empty when they are the same.
[[nodiscard]] std::string difference_of(std::string_view own, std::string_view other);

}  // namespace flashstor::cluster
