#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/async/uv_runtime.h"
#include "engine/files/volume.h"
#include "engine/objects/commands.h"
#include "tests/support/fake_set.h"

namespace flashstor::files {

/// One bucket as files, and the objects that S3 sees of it, on sets in memory.
class VolumeTest : public ::testing::Test {
 protected:
  [[nodiscard]] virtual std::uint32_t sets() const { return 1; }
  void SetUp() override {
    objects::register_object_commands(registry_);
    register_file_commands(registry_);
    cluster_ = std::make_unique<flashstor::testing::FakeCluster>(registry_, sets());
    store_ = std::make_unique<objects::ObjectStore>(*cluster_, epoch_, random_);
    run([](objects::ObjectStore* store) -> Task<Result<void>> {
      objects::CreateBucketRequest request;
      request.name = "bucket";
      request.owner = "root";
      co_await or_return(store->create_bucket(std::move(request)));
      co_return {};
    }(store_.get()));
    open();
  }
  void TearDown() override {
    run([](VolumeTest* self) -> Task<Result<void>> {
      if (self->volume_) co_await or_return(self->volume_->close());
      co_await self->store_->close();
      co_return {};
    }(this));
  }
  void open() { volume_ = *runtime_.run_until(Volume::open(*store_, "bucket", {}, runtime_)); }
  template <class T>
  T get(Task<Result<T>> task) {
    auto result = runtime_.run_until(std::move(task));
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().describe());
    if constexpr (!std::is_void_v<T>) return result ? std::move(*result) : T{};
  }
  void run(Task<Result<void>> task) { get(std::move(task)); }
  template <class T>
  ErrorCode error(Task<Result<T>> task) {
    auto result = runtime_.run_until(std::move(task));
    EXPECT_FALSE(result.has_value());
    return result ? ErrorCode::kInternal : result.error().code();
  }

  std::unique_ptr<OpenFileApi> create(const std::string& directory, const std::string& name) {
    OpenMode mode;
    mode.write = true;
    return std::move(get(volume_->create(directory, name, {}, mode, true)).file);
  }
  /// Rows of files that have lost their last name.
  std::size_t orphans() {
    const std::string prefix = orphans_of(get(store_->head_bucket("bucket"))->id).to_bytes();
    std::size_t count = 0;
    for (std::uint32_t set = 0; set < sets(); ++set)
      for (const auto& [key, value] : cluster_->fake(set).rows().rows(Family::kVersions))
        count += key.starts_with(prefix);
    return count;
  }
  void write(OpenFileApi& file, std::uint64_t offset, const std::string& text) {
    get(file.write(offset, BufferChain(Buffer::copy_of(text))));
  }
  std::string read(OpenFileApi& file, std::uint64_t offset = 0, std::size_t size = 1 << 20) {
    return std::string(get(file.read(offset, size)).flatten().view());
  }
  void put_file(const std::string& directory, const std::string& name, const std::string& text) {
    const auto file = create(directory, name);
    write(*file, 0, text);
    get(file->flush());
    get(file->release());
  }
  std::string read_file(const std::string& path) {
    const auto file = get(volume_->open({path, {}}, {}));
    if (!file) return "(cannot open)";
    std::string text = read(*file);
    get(file->release());
    return text;
  }
  /// The object as S3 has it.
  std::string object(const std::string& key) {
    return get([](objects::ObjectStore* store, std::string name) -> Task<Result<std::string>> {
      auto got = co_await or_return(store->get_object({.bucket = "bucket", .key = std::move(name)}));
      std::string text;
      while (true) {
        const BufferChain part = co_await or_return(got.reader->next());
        if (part.empty()) break;
        text.append(part.flatten().view());
      }
      co_return text;
    }(store_.get(), key));
  }
  void put_object(const std::string& key, const std::string& text) {
    run([](objects::ObjectStore* store, std::string name, std::string bytes) -> Task<Result<void>> {
      objects::BufferSource source(Buffer::copy_of(bytes));
      objects::PutRequest request;
      request.bucket = "bucket";
      request.key = std::move(name);
      request.body = &source;
      co_await or_return(store->put_object(std::move(request)));
      co_return {};
    }(store_.get(), key, text));
  }
  std::vector<std::string> names(const std::string& directory, std::size_t limit = 100) {
    std::vector<std::string> out;
    std::string cursor;
    while (true) {
      const DirectoryPage page = get(volume_->read_directory(directory, cursor, limit));
      for (const auto& entry : page.entries) out.push_back(entry.name);
      if (page.end) break;
      cursor = page.cursor;
    }
    return out;
  }
  Attributes stat(const std::string& directory, const std::string& name) {
    return get(volume_->lookup(directory, name));
  }
  void mkdir(const std::string& directory, const std::string& name) {
    NewFile file;
    file.kind = Kind::kDirectory;
    file.mode = 0755;
    get(volume_->make(directory, name, file));
  }
  void mv(const std::string& from, const std::string& to, RenameMode mode = RenameMode::kReplace) {
    get(volume_->rename(parent(from), base(from), parent(to), base(to), mode));
  }
  static std::string parent(const std::string& path) {
    return path.find('/') == std::string::npos ? "" : path.substr(0, path.rfind('/'));
  }
  static std::string base(const std::string& path) {
    return path.find('/') == std::string::npos ? path : path.substr(path.rfind('/') + 1);
  }

  async::UvRuntime runtime_;
  base::SeededRandom random_{1};
  cluster::CommandRegistry registry_;
  objects::BucketEpoch epoch_;
  std::unique_ptr<flashstor::testing::FakeCluster> cluster_;
  std::unique_ptr<objects::ObjectStore> store_;
  std::unique_ptr<Volume> volume_;
};

}  // namespace flashstor::files
