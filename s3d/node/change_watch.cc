#include "s3d/node/change_watch.h"

#include <fmt/format.h>

#include "engine/base/log.h"
#include "s3d/node/limits.h"

namespace flashstor::s3d {
namespace {

constexpr std::string_view kMarks = "cluster/changes/";
constexpr char kDone = 'd';
constexpr char kAboutTo = 'a';

}  // namespace

ChangeWatch::ChangeWatch(Runtime& home, cluster::Peers& peers, objects::SystemStore& store,
                         objects::BucketEpoch& buckets, iam::Iam& iam, iam::IdentityStore& identities)
    : home_(home),
      peers_(peers),
      store_(store),
      buckets_(buckets),
      iam_(iam),
      identities_(identities),
      own_path_(fmt::format("{}{}", kMarks, peers.spread().nodes[peers.spread().self])) {}

Task<Result<void>> ChangeWatch::start() {
  const MonotonicTime deadline = home_.now() + node_limits::kFirstLook;
  while (true) {
    auto done = co_await mark(false);  // what this node was about to do when it died is over
    if (done) done = co_await look();
    if (done) break;
    // A leader that has just been elected may not have heard of every drive yet.
    if (home_.now() >= deadline) co_return done;
    co_await async::sleep_for(home_, node_limits::kChangePeriod);
  }
  peers_.on_change([this]() -> Task<void> { static_cast<void>(co_await async::run_on(home_, look())); });
  gate_.spawn(keep_reading());
  co_return Result<void>();
}

Task<void> ChangeWatch::stop() {
  stopping_ = true;
  peers_.on_change({});
  stop_.notify_all();
  co_await gate_.close();
}

Task<void> ChangeWatch::keep_reading() {
  bool told = false;
  while (!stopping_) {
    const auto done = co_await look();
    if (!done && !told) base::log_warning("identities cannot be confirmed: {}", done.error().describe());
    if (done && told) base::log_info("identities are confirmed again");
    told = !done;
    co_await stop_.wait_until(home_.now() + node_limits::kChangePeriod);
  }
}

Task<Result<void>> ChangeWatch::look() {
  co_await looking_.acquire();
  auto done = co_await look_held();
  looking_.release();
  co_return done;
}

Task<Result<void>> ChangeWatch::look_held() {
  const MonotonicTime asked = home_.now();
  const auto marks = co_await or_return(
      store_.read_page(std::string(kMarks), {}, peers_.spread().nodes.size() + node_limits::kMaxGateways));
  std::string all;
  bool about_to = false;
  for (const auto& mark : marks) {
    if (mark.path == own_path_) continue;
    all.append(mark.path).append("=").append(mark.bytes).append("\n");
    about_to = about_to || !mark.bytes.ends_with(kDone);
  }
  if (about_to || all != seen_) {
    co_await or_return(identities_.load());
    buckets_.advance();
    iam_.touch();
    seen_ = std::move(all);
  }
  const MonotonicTime until = asked + node_limits::kChangesFreshFor;
  fresh_until_.store(until.time_since_epoch().count(), std::memory_order_release);
  co_return Result<void>();
}

Task<Result<void>> ChangeWatch::mark(bool about_to) {
  std::string text = Uuid::make(home_.random()).to_text();
  text.push_back(about_to ? kAboutTo : kDone);
  co_return co_await store_.save(own_path_, std::move(text));
}

bool ChangeWatch::concerns(std::string_view path) const { return !path.starts_with(kMarks); }

bool ChangeWatch::is_fresh(MonotonicTime now) const {
  return now.time_since_epoch().count() < fresh_until_.load(std::memory_order_acquire);
}

Task<Result<void>> ChangeWatch::confirm() {
  auto done = co_await async::run_on(home_, look());
  if (!done)
    co_return fail(ErrorCode::kTimeout,
                   fmt::format("this node cannot confirm who may do what: {}", done.error().describe()));
  co_return Result<void>();
}

Task<Result<void>> ChangeWatch::changing(std::string_view) { return async::run_on(home_, changing_home()); }

Task<Result<void>> ChangeWatch::changing_home() {
  co_await marking_.acquire();
  auto marked = co_await mark(true);
  if (marked) ++under_way_;
  marking_.release();
  co_return marked;
}

Task<void> ChangeWatch::changed() { return async::run_on(home_, changed_home()); }

Task<void> ChangeWatch::changed_home() {
  co_await marking_.acquire();
  --under_way_;
  // Should it fail, the others go on believing that something is about to change: slower, never wrong.
  static_cast<void>(co_await mark(under_way_ > 0));
  marking_.release();
  co_await peers_.tell_change();
}

}  // namespace flashstor::s3d
