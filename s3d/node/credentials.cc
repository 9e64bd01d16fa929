#include "s3d/node/credentials.h"

namespace flashstor::s3d {

Task<Result<const Credential*>> IamCredentials::find(std::string_view access_key) {
  auto identity = identities_.find(access_key);
  if (!identity) co_return std::unexpected(identity.error());
  auto at = known_.find(access_key);
  if (at == known_.end()) at = known_.emplace(std::string(access_key), Known{}).first;
  Known& known = at->second;
  if (known.identity != *identity) {
    if (known.credential == nullptr || known.credential->secret != (*identity)->secret_key) {
      if (known.credential != nullptr) retired_.push_back(std::move(known.credential));
      known.credential = std::make_unique<Credential>(
          Credential{.access_key = (*identity)->access_key, .secret = (*identity)->secret_key});
    }
    known.identity = std::move(*identity);
  }
  co_return known.credential.get();
}

}  // namespace flashstor::s3d
