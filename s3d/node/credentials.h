#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/iam/iam.h"
#include "s3d/auth/credential.h"

namespace flashstor::s3d {

/// The secrets of the identities, as signatures are checked with them. One a loop.
class IamCredentials final : public CredentialSource {
 public:
  /// `identities` is the loop's view; it outlives this.
  explicit IamCredentials(iam::IamView& identities) : identities_(identities) {}
  Task<Result<const Credential*>> find(std::string_view access_key) override;

 private:
  struct Known {
    iam::IdentityRef identity;
    std::unique_ptr<Credential> credential;
  };
  iam::IamView& identities_;
  std::unordered_map<std::string, Known, iam::Snapshot::Hash, std::equal_to<>> known_;
  /// What requests under way may still look at after a secret was changed: as many as there were changes.
  std::vector<std::unique_ptr<Credential>> retired_;
};

}  // namespace flashstor::s3d
