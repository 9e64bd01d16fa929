#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/objects/keys.h"
#include "tests/unit/files/many_sets_fixture.h"

namespace flashstor::files {

/// A bucket with versions over three sets, and in it "file", whose bytes lie in another set than its name.
/// All of it was EOPNOTSUPP: the version that stays behind shares its bytes across sets.
class ForeignDataTest : public ManySetsTest {
 protected:
  void SetUp() override {
    ManySetsTest::SetUp();
    run(store_->set_versioning("bucket", objects::Versioning::kEnabled));
    empty_ = rows(Family::kVersions);
    bring("file");
  }
  void bring(const std::string& key) {
    const std::string from = name_for(key, true);
    put_object(from, bytes_);
    mv(from, key);
    EXPECT_EQ(object(key), bytes_);
    first_.push_back(from);
  }
  std::unique_ptr<OpenFileApi> open_to_write(const std::string& path) {
    OpenMode mode;
    mode.write = true;
    return get(volume_->open({path, {}}, mode));
  }
  void remove_version(const std::string& key, const std::string& id) {
    objects::DeleteRequest gone;
    gone.bucket = "bucket";
    gone.key = key;
    gone.version_id = id;
    run([](objects::ObjectStore* store, objects::DeleteRequest request) -> Task<Result<void>> {
      co_await or_return(store->delete_object(std::move(request)));
      co_return {};
    }(store_.get(), std::move(gone)));
  }
  /// Removes every version of every key; then nobody may refer to any data.
  void remove_everything() {
    const auto all = get(store_->list_versions({.bucket = "bucket", .max_keys = 1000}));
    for (const auto& version : all.versions) remove_version(version.key, version.version_id);
    EXPECT_EQ(rows(Family::kVersions), empty_);
    EXPECT_EQ(rows(Family::kRefs), 0U);
    EXPECT_EQ(rows(Family::kExtents), 0U);
    EXPECT_EQ(taken(), 0U);
  }
  std::size_t rows(Family family) {
    std::size_t count = 0;
    for (std::uint32_t set = 0; set < sets(); ++set) count += cluster_->fake(set).rows().rows(family).size();
    return count;
  }
  /// References that were taken and neither settled nor given back.
  std::size_t taken() {
    std::size_t count = 0;
    for (std::uint32_t set = 0; set < sets(); ++set)
      for (const auto& [key, value] : cluster_->fake(set).rows().rows(Family::kIntents))
        count += key.starts_with(objects::kTakenReferences) || key.starts_with(objects::kReferrers);
    return count;
  }
  std::string version_of(const std::string& key, std::size_t age) {
    const auto all = get(store_->list_versions({.bucket = "bucket", .prefix = key, .max_keys = 1000}));
    std::vector<std::string> ids;
    for (const auto& version : all.versions)
      if (version.key == key) ids.push_back(version.version_id);
    return age < ids.size() ? ids[age] : "";
  }

  const std::string bytes_ = std::string(300'000, 'x') + "end";
  std::vector<std::string> first_;
  std::size_t empty_ = 0;  ///< Rows of versions in an empty bucket: the bucket's own.
};

}  // namespace flashstor::files
