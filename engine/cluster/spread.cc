#include "engine/cluster/spread.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "engine/base/limits.h"
#include "engine/cluster/topology.h"

namespace flashstor::cluster {
namespace {

struct Url {
  std::string node;
  std::string path;
  bool tls = false;
};

Result<Url> parse_url(const std::string& text) {
  const std::string_view scheme = text.starts_with("https://") ? "https://" : "http://";
  if (!text.starts_with(scheme))
    return fail(ErrorCode::kInvalidArgument,
                text + ": where one drive is given with its node (http://HOST:PORT/PATH), all must be");
  const std::size_t slash = text.find('/', scheme.size());
  Url url;
  url.tls = scheme == "https://";
  url.node = text.substr(scheme.size(), slash == std::string::npos ? slash : slash - scheme.size());
  const std::size_t colon = url.node.rfind(':');
  const bool bare_v6 = url.node.starts_with('[') && url.node.ends_with(']');
  if (colon == std::string::npos || bare_v6) url.node += ":9000";
  const std::string_view port = std::string_view(url.node).substr(url.node.rfind(':') + 1);
  unsigned number = 0;
  const auto read = std::from_chars(port.data(), port.data() + port.size(), number);
  if (read.ec != std::errc() || read.ptr != port.data() + port.size() || number == 0 || number > 65'535 ||
      url.node.starts_with(':'))
    return fail(ErrorCode::kInvalidArgument, text + ": not http://HOST:PORT/PATH");
  if (slash == std::string::npos || slash + 1 >= text.size())
    return fail(ErrorCode::kInvalidArgument, text + ": a drive without a path");
  url.path = text.substr(slash);
  while (url.path.size() > 1 && url.path.back() == '/') url.path.pop_back();
  return url;
}

// The largest set that takes as many drives from each node; with many nodes one from each of some.
Result<std::uint32_t> spread_set_size(std::size_t nodes, std::size_t drives) {
  for (std::size_t size = flashstor::limits::kMaxDrivesPerSet; size >= 2; --size)
    if (drives % size == 0 && (size % nodes == 0 || nodes % size == 0))
      return static_cast<std::uint32_t>(size);
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("{} drives on {} nodes cannot be cut into sets of 2 to {} drives that take the same "
                  "number from each node",
                  drives, nodes, flashstor::limits::kMaxDrivesPerSet));
}

Result<std::uint32_t> find_self(const std::vector<std::string>& nodes, std::string_view address,
                                std::string_view host_name) {
  const auto exact = std::ranges::find(nodes, address);
  if (exact != nodes.end()) return static_cast<std::uint32_t>(exact - nodes.begin());
  const std::size_t colon = address.rfind(':');
  const std::string_view host = colon == std::string_view::npos ? address : address.substr(0, colon);
  const std::string port(colon == std::string_view::npos ? std::string_view(":9000") : address.substr(colon));
  std::vector<std::uint32_t> same_port;
  for (std::uint32_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].ends_with(port)) continue;
    const std::string_view name = std::string_view(nodes[i]).substr(0, nodes[i].size() - port.size());
    if (!host_name.empty() && (name == host_name || name == host_name.substr(0, host_name.find('.'))))
      return i;
    same_port.push_back(i);
  }
  const bool wildcard = host.empty() || host == "0.0.0.0" || host == "[::]" || host == "::";
  if (wildcard && same_port.size() == 1) return same_port.front();
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("this node's --address {} {}: start it with --address HOST:PORT as it stands in the "
                  "list",
                  address,
                  wildcard && same_port.size() > 1 ? "could be several nodes of the list"
                                                   : "is no node of the list"));
}

// A gateway needs a name of its own: the others tell by it who changed something.
Result<Spread> add_gateway(Spread spread, std::string_view address, std::string_view host_name) {
  const std::size_t colon = address.rfind(':');
  const std::string_view host = address.substr(0, colon);
  const std::string port(colon == std::string_view::npos ? std::string_view(":9000") : address.substr(colon));
  const bool wildcard = host.empty() || host == "0.0.0.0" || host == "[::]" || host == "::";
  const std::string name = std::string(wildcard ? host_name : host) + port;
  if (name == port)
    return fail(ErrorCode::kInvalidArgument, "start the gateway with --address HOST:PORT: it needs a name");
  if (std::ranges::find(spread.nodes, name) != spread.nodes.end())
    return fail(ErrorCode::kInvalidArgument, name + " is a node of the list, and no gateway");
  spread.self = static_cast<std::uint32_t>(spread.nodes.size());
  spread.nodes.push_back(name);
  spread.gateway = true;
  return spread;
}

}  // namespace

bool names_nodes(const std::vector<std::string>& arguments) {
  return std::ranges::any_of(arguments,
                             [](const auto& item) { return item.find("://") != std::string::npos; });
}

std::string Spread::text() const {
  std::string out = fmt::format("sets of {}\n", set_drives);
  for (const SpreadDrive& drive : drives)
    out += fmt::format("{}{}{}\n", scheme(), nodes[drive.node], drive.path);
  return out;
}

Result<Spread> lay_out_spread(const std::vector<std::string>& arguments, std::string_view address,
                              std::string_view host_name, bool gateway) {
  const auto expanded = expand_names(arguments);
  if (!expanded) return std::unexpected(expanded.error());
  Spread spread;
  std::vector<std::vector<std::string>> paths;
  std::set<std::string> seen;
  for (const std::string& text : *expanded) {
    const auto url = parse_url(text);
    if (!url) return std::unexpected(url.error());
    if (!seen.empty() && url->tls != spread.tls)
      return fail(ErrorCode::kInvalidArgument, text + ": either all nodes are named http:// or all https://");
    spread.tls = url->tls;
    if (!seen.insert(url->node + url->path).second)
      return fail(ErrorCode::kInvalidArgument, fmt::format("the drive {} is given twice", text));
    auto node = std::ranges::find(spread.nodes, url->node);
    if (node == spread.nodes.end()) {
      spread.nodes.push_back(url->node);
      paths.emplace_back();
      node = spread.nodes.end() - 1;
    }
    paths[static_cast<std::size_t>(node - spread.nodes.begin())].push_back(url->path);
  }
  for (std::size_t i = 1; i < paths.size(); ++i)
    if (paths[i].size() != paths[0].size())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} has {} drives and {} has {}: every node needs the same number",
                              spread.nodes[0], paths[0].size(), spread.nodes[i], paths[i].size()));
  const auto size = spread_set_size(spread.nodes.size(), expanded->size());
  if (!size) return std::unexpected(size.error());
  spread.set_drives = *size;
  for (std::size_t row = 0; row < paths[0].size(); ++row)
    for (std::uint32_t node = 0; node < spread.nodes.size(); ++node) {
      const auto at = static_cast<std::uint32_t>(spread.drives.size());
      spread.drives.push_back(
          {.node = node, .path = paths[node][row], .set = at / *size, .slot = at % *size});
    }
  if (gateway) return add_gateway(std::move(spread), address, host_name);
  const auto self = find_self(spread.nodes, address, host_name);
  if (!self) return std::unexpected(self.error());
  spread.self = *self;
  return spread;
}

std::string difference_of(std::string_view own, std::string_view other) {
  if (own == other) return {};
  for (std::size_t line = 1;; ++line) {
    const std::string_view a = own.substr(0, own.find('\n'));
    const std::string_view b = other.substr(0, other.find('\n'));
    if (a != b)
      return fmt::format("the lists of drives differ: item {} is \"{}\" here and \"{}\" there", line,
                         a.empty() ? "missing" : a, b.empty() ? "missing" : b);
    own.remove_prefix(std::min(own.size(), a.size() + 1));
    other.remove_prefix(std::min(other.size(), b.size() + 1));
  }
}

}  // namespace flashstor::cluster
