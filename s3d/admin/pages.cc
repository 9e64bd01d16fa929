#include "s3d/admin/pages.h"

namespace flashstor::s3d {

void Pages::add(std::string prefix, Page& page) { pages_.emplace_back(std::move(prefix), &page); }

Page* Pages::find(std::string_view path) const {
  Page* best = nullptr;
  std::size_t best_length = 0;
  for (const auto& [prefix, page] : pages_) {
    const bool matches = prefix.ends_with('/') ? path.starts_with(prefix) : path == prefix;
    if (!matches || prefix.size() <= best_length) continue;
    best = page;
    best_length = prefix.size();
  }
  return best;
}

bool Pages::is_open(const Request& request) const {
  const Page* page = find(request.path());
  return page != nullptr && page->is_open();
}

Task<Result<void>> Pages::handle(Call& call) {
  Page* page = find(call.request().path());
  if (page == nullptr) co_return call.refuse(S3Code::kNoSuchKey, "There is no such page.");
  co_return co_await page->handle(call);
}

}  // namespace flashstor::s3d
