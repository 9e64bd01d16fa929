#pragma once

#include <memory>
#include <string>
#include <vector>

#include "s3d/ops/s3_handler.h"

namespace flashstor::s3d {

/// One page, or a tree of them, under /flashstor/.
class Page {
 public:
  virtual ~Page() = default;
  /// True when anybody may read it without a signature.
  [[nodiscard]] virtual bool is_open() const { return false; }
  /// Answers, or returns why not. A caller of a page that is not open is authenticated, not authorised.
  virtual Task<Result<void>> handle(Call& call) = 0;
};

/// All pages under /flashstor/, by the longest prefix of the path. Filled before the node serves, then only
/// read: shared by all loops, so pages are called on any of them.
class Pages final : public InternalPages {
 public:
  /// `prefix` begins with /flashstor/; one that ends in '/' stands for all below it. `page` outlives this.
  void add(std::string prefix, Page& page);
  [[nodiscard]] bool is_open(const Request& request) const override;
  Task<Result<void>> handle(Call& call) override;

 private:
  [[nodiscard]] Page* find(std::string_view path) const;
  std::vector<std::pair<std::string, Page*>> pages_;
};

}  // namespace flashstor::s3d
