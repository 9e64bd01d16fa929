#include "engine/iam/iam.h"

#include <openssl/evp.h>

#include "engine/base/check.h"
#include "engine/base/hex.h"

namespace flashstor::iam {

std::string canonical_id_of(std::string_view access_key) {
  const std::string input = std::string("flashstor canonical id\0", 23).append(access_key);
  unsigned char digest[32];
  unsigned size = 0;
  const int done = EVP_Digest(input.data(), input.size(), digest, &size, EVP_sha256(), nullptr);
  FLASHSTOR_CHECK(done == 1 && size == sizeof(digest));
  return base::to_hex({reinterpret_cast<const char*>(digest), size});
}

Iam::Iam(std::string root_access_key, std::string root_secret_key) {
  auto root = std::make_shared<Identity>();
  root->kind = Principal::Kind::kRoot;
  root->canonical_id = canonical_id_of(root_access_key);
  root->access_key = std::move(root_access_key);
  root->secret_key = std::move(root_secret_key);
  auto first = std::make_shared<Snapshot>();
  first->epoch = epoch_.load();
  first->root = std::move(root);
  first->anonymous = std::make_shared<const Identity>();
  snapshot_ = std::move(first);
}

std::shared_ptr<const Snapshot> Iam::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

void Iam::publish(std::vector<IdentityRef> users) {
  auto next = std::make_shared<Snapshot>();
  for (IdentityRef& user : users) {
    std::string key = user->access_key;
    next->users.insert_or_assign(std::move(key), std::move(user));
  }
  const std::lock_guard lock(mutex_);
  next->root = snapshot_->root;
  next->anonymous = snapshot_->anonymous;
  next->epoch = snapshot_->epoch + 1;
  snapshot_ = std::move(next);
  epoch_.store(snapshot_->epoch, std::memory_order_release);
}

void Iam::touch() {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<Snapshot>(*snapshot_);
  ++next->epoch;
  snapshot_ = std::move(next);
  epoch_.store(snapshot_->epoch, std::memory_order_release);
}

Result<IdentityRef> IamView::find(std::string_view access_key) {
  const Snapshot& now = current();
  if (access_key == now.root->access_key) return now.root;
  const auto found = now.users.find(access_key);
  if (found == now.users.end())
    return fail(ErrorCode::kInvalidAccessKey,
                "The AWS Access Key Id you provided does not exist in our records.");
  if (!found->second->enabled) return fail(ErrorCode::kInvalidAccessKey, "The access key is disabled.");
  return found->second;
}

}  // namespace flashstor::iam
