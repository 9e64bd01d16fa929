#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "engine/async/uv_runtime.h"
#include "engine/objects/commands.h"
#include "engine/objects/object_store.h"
#include "tests/support/fake_set.h"

namespace flashstor::objects {

/// An ObjectStore over sets in memory, with sizes small enough that a few bytes reach every path.
class StoreTest : public ::testing::Test {
 protected:
  explicit StoreTest(std::uint32_t sets = 1) {
    register_object_commands(registry_);
    cluster_ = std::make_unique<testing::FakeCluster>(registry_, sets);
    reopen();
  }
  ~StoreTest() override { run(store_->close()); }

  void reopen() {
    store_ = std::make_unique<ObjectStore>(
        *cluster_, epoch_, random_,
        StoreOptions{
            .inline_bytes = 64, .read_window_bytes = 100, .write_window_bytes = 32, .min_part_bytes = 10});
  }

  template <class T>
  T run(Task<T> task) {
    return runtime_.run_until(std::move(task));
  }

  BucketRef make_bucket(const std::string& name, Versioning versioning = Versioning::kUnversioned) {
    auto made = run(store_->create_bucket({.name = name, .owner = "alice", .region = {}}));
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().describe());
    if (versioning != Versioning::kUnversioned) {
      EXPECT_TRUE(run(store_->set_versioning(name, versioning)).has_value());
    }
    return *run(store_->head_bucket(name));
  }

  Result<PutResult> put(const std::string& bucket, const std::string& key, const std::string& bytes,
                        Conditions conditions = {}) {
    BufferSource body(Buffer::copy_of(bytes), 7);
    PutRequest request;
    request.bucket = bucket;
    request.key = key;
    request.conditions = std::move(conditions);
    request.body = &body;
    return run(store_->put_object(std::move(request)));
  }

  Result<std::string> drain(ObjectReader& reader) {
    std::string out;
    for (;;) {
      auto window = run(reader.next());
      if (!window) return std::unexpected(window.error());
      if (window->empty()) return out;
      out.append(window->flatten().view());
    }
  }

  Result<std::string> get(const std::string& bucket, const std::string& key, const std::string& version = {},
                          std::optional<ByteRange> range = {}) {
    GetRequest request{.bucket = bucket, .key = key, .version_id = version, .range = range};
    auto result = run(store_->get_object(std::move(request)));
    if (!result) return std::unexpected(result.error());
    auto bytes = drain(*result->reader);
    if (bytes) {
      EXPECT_EQ(bytes->size(), result->length);
    }
    return bytes;
  }

  Result<DeleteResult> remove(const std::string& bucket, const std::string& key,
                              const std::string& version = {}) {
    return run(store_->delete_object({.bucket = bucket, .key = key, .version_id = version}));
  }

  cluster::CommandRegistry registry_;
  async::UvRuntime runtime_;
  base::SeededRandom random_{42};
  BucketEpoch epoch_;
  std::unique_ptr<testing::FakeCluster> cluster_;
  std::unique_ptr<ObjectStore> store_;
};

template <class T>
ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorCode::kInternal : result.error().code();
}

}  // namespace flashstor::objects
