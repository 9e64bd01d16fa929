#pragma once

#include "tests/unit/files/many_sets_fixture.h"

namespace flashstor::files {

/// One bucket that is mounted on two nodes.
class TwoNodesTest : public ManySetsTest {
 protected:
  void SetUp() override {
    ManySetsTest::SetUp();
    run(volume_->close());
    cluster_->set_spans_nodes(true);
    open();
    other_ = get(Volume::open(*store_, "bucket", {}, runtime_));
  }
  void TearDown() override {
    run(other_->close());
    ManySetsTest::TearDown();
  }
  std::unique_ptr<Volume> other_;
};

}  // namespace flashstor::files
