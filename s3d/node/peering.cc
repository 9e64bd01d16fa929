#include "s3d/node/peering.h"

#include <unistd.h>

#include <array>

#include "engine/async/uv_stream.h"
#include "engine/storage/wire/link.h"
#include "engine/storage/wire/token.h"
#include "s3d/admin/admin_api.h"

namespace flashstor::s3d {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

Task<Result<std::unique_ptr<async::Connection>>> connect_node(async::UvRuntime& runtime, std::string node,
                                                              MonotonicTime deadline,
                                                              std::shared_ptr<async::TlsContext> tls) {
  const auto address = co_await or_return(parse_host_port(node));
  auto connection = co_await or_return(async::connect_tcp(runtime, address.host, address.port, deadline));
  if (tls != nullptr) connection = async::tls_node(std::move(connection), tls, address.host);
  co_return connection;
}

}  // namespace

Result<std::unique_ptr<Peering>> Peering::make(const NodeOptions& options, async::UvRuntime& home,
                                               const std::shared_ptr<async::TlsContext>& tls) {
  auto spread = cluster::lay_out_spread(options.drives, options.address, host_name(), options.gateway);
  if (!spread) return std::unexpected(spread.error());
  std::unique_ptr<Peering> out(
      new Peering(home));  // NOLINT(modernize-make-unique): the constructor is private
  out->peers_ = std::make_unique<cluster::Peers>(cluster::PeersOptions{
      .spread = std::move(*spread),
      .secret = options.cluster_secret,
      .version = std::string(kProductVersion),
      .parity = static_cast<std::uint8_t>(std::min<std::size_t>(options.parity, 255)),
      // Those of now, whatever the previous ones were: sealing anew is for all nodes at once.
      .root = storage::wire::sign_root(options.cluster_secret, options.root_user, options.root_password),
      .home = &home,
      .connect = [&home, tls](std::string node, MonotonicTime deadline) {
        return connect_node(home, std::move(node), deadline, tls);
      }});
  return out;
}

std::vector<std::string> Peering::own_drives() const {
  std::vector<std::string> paths;
  for (const cluster::SpreadDrive& drive : peers_->spread().drives)
    if (drive.node == peers_->spread().self) paths.push_back(drive.path);
  return paths;
}

void Peering::make_watch(objects::SystemStore& store, objects::BucketEpoch& buckets, iam::Iam& iam,
                         iam::IdentityStore& identities) {
  watch_.emplace(home_, *peers_, store, buckets, iam, identities);
}

Task<void> Peering::stop_watch() {
  if (watch_) co_await watch_->stop();
}

ConnectionTaker* Peering::taker_of(const Request& request) {
  const bool mine = request.path() == storage::wire::kChannelPath && request.method() == "GET" &&
                    request.header("upgrade") == storage::wire::kUpgradeName;
  if (mine) return this;
  return next_ == nullptr ? nullptr : next_->taker_of(request);
}

Task<void> Peering::take(async::Connection& connection, std::string authorization) {
  return peers_->serve(connection, std::move(authorization));
}

}  // namespace flashstor::s3d
