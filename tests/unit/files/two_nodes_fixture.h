#pragma once

#include "tests/unit/files/many_sets_fixture.h"

namespace flashstor::files {

/// The bucket of `Base` mounted on two nodes.
template <class Base>
class OnTwoNodes : public Base {
 protected:
  void SetUp() override {
    Base::SetUp();
    this->run(this->volume_->close());
    this->cluster_->set_spans_nodes(true);
    this->open();
    other_ = open_one();
  }
  void TearDown() override {
    this->run(other_->close());
    Base::TearDown();
  }
  /// One more node's.
  std::unique_ptr<Volume> open_one() {
    return this->get(Volume::open(*this->store_, "bucket", {}, this->runtime_));
  }
  std::unique_ptr<Volume> other_;
};

using TwoNodesTest = OnTwoNodes<ManySetsTest>;

}  // namespace flashstor::files
