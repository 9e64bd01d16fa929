#pragma once

#include <functional>
#include <memory>
#include <string>

#include "s3d/admin/admin_api.h"
#include "s3d/node/service.h"

namespace flashstor::s3d {

/// The admin API as a part of the node.
class AdminService final : public NodeService {
 public:
  /// `mount_socket` gives the path of the node's mount socket, or "".
  explicit AdminService(std::function<std::string()> mount_socket) : mount_socket_(std::move(mount_socket)) {}
  [[nodiscard]] std::string_view name() const override { return "admin API"; }
  Task<Result<void>> start(NodeContext& context) override;
  /// Running traces end.
  void stopping() override { api_->stop(); }
  Task<void> stop() override { co_return; }

 private:
  /// The API as a tree of pages.
  class AdminPage final : public Page {
   public:
    explicit AdminPage(AdminApi& api) : api_(api) {}
    Task<Result<void>> handle(Call& call) override { co_return co_await api_.handle(call); }

   private:
    AdminApi& api_;
  };
  std::function<std::string()> mount_socket_;
  std::unique_ptr<AdminApi> api_;
  std::unique_ptr<AdminPage> page_;
};

}  // namespace flashstor::s3d
