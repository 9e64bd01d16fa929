#pragma once

#include <functional>
#include <map>
#include <string>

#include "engine/iam/identities.h"
#include "engine/objects/system_store.h"
#include "s3d/http/response.h"

namespace flashstor::s3d {

/// Identities where a node keeps them: in the system bucket.
class StoredIdentities final : public iam::IdentityBackend {
 public:
  explicit StoredIdentities(objects::SystemStore& store) : store_(store) {}
  Task<Result<std::optional<std::string>>> load(std::string path) override { return store_.load(path); }
  Task<Result<void>> save(std::string path, std::string bytes) override { return store_.save(path, bytes); }
  Task<Result<void>> remove(std::string path) override { return store_.remove(path); }
  Task<Result<std::vector<std::string>>> list(std::string prefix) override { return store_.list(prefix); }

 private:
  objects::SystemStore& store_;
};

/// Keeps what was answered.
class KeptResponse final : public ResponseWriter {
 public:
  void set_status(int status) override { status_ = status; }
  void add_header(std::string_view name, std::string_view value) override {
    headers[std::string(name)] = value;
  }
  Task<Result<void>> send(std::string_view bytes) override { return write(bytes); }
  Task<Result<void>> send(const BufferChain& bytes) override { return write(bytes); }
  Task<Result<void>> send_head(std::uint64_t) override { co_return Result<void>(); }
  void start(std::optional<std::uint64_t>) override { started_ = true; }
  Task<Result<void>> write(const Buffer& slice) override { return write(slice.view()); }
  Task<Result<void>> write(const BufferChain& slices) override {
    for (const Buffer& slice : slices.slices()) body.append(slice.view());
    started_ = true;
    co_return Result<void>();
  }
  Task<Result<void>> write(std::string_view bytes) override {
    if (broken) co_return fail(ErrorCode::kIo, "the reader is gone");
    body.append(bytes);
    started_ = true;
    if (on_write) on_write();
    co_return Result<void>();
  }
  Task<Result<void>> finish() override {
    finished = true;
    co_return Result<void>();
  }
  void abort() override {}
  void close_after() override {}
  [[nodiscard]] bool started() const override { return started_; }
  [[nodiscard]] int status() const override { return status_; }
  [[nodiscard]] std::uint64_t body_bytes_sent() const override { return body.size(); }

  std::map<std::string, std::string> headers;
  std::string body;
  std::function<void()> on_write;
  bool broken = false;
  bool finished = false;

 private:
  int status_ = 200;
  bool started_ = false;
};

}  // namespace flashstor::s3d
