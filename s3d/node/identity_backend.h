#pragma once

#include "engine/iam/identities.h"
#include "engine/objects/system_store.h"

namespace flashstor::s3d {

/// Identities in the system bucket.
class SystemIdentityBackend final : public iam::IdentityBackend {
 public:
  explicit SystemIdentityBackend(objects::SystemStore& store) : store_(store) {}
  Task<Result<std::optional<std::string>>> load(std::string path) override {
    return store_.load(std::move(path));
  }
  Task<Result<void>> save(std::string path, std::string bytes) override {
    return store_.save(std::move(path), std::move(bytes));
  }
  Task<Result<void>> remove(std::string path) override { return store_.remove(std::move(path)); }
  Task<Result<std::vector<std::string>>> list(std::string prefix) override {
    return store_.list(std::move(prefix));
  }

 private:
  objects::SystemStore& store_;
};

}  // namespace flashstor::s3d
