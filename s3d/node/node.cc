#include "s3d/node/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "engine/async/gather.h"
#include "engine/async/uv_signal.h"
#include "engine/async/uv_stream.h"
#include "engine/base/log.h"
#include "engine/objects/digest_pool.h"
#include "s3d/admin/health.h"
#include "s3d/admin/metrics.h"
#include "s3d/node/background.h"
#include "s3d/node/engine.h"
#include "s3d/node/identity_backend.h"
#include "s3d/node/limits.h"
#include "s3d/node/peering.h"

namespace flashstor::s3d {
namespace {

std::size_t cores() { return std::max(1U, std::thread::hardware_concurrency()); }

/// Threads that run loops 1 … n-1; loop 0 runs on the main thread.
class LoopThreads {
 public:
  explicit LoopThreads(std::size_t loops) {
    for (std::size_t i = 0; i < loops; ++i) runtimes_.push_back(std::make_unique<async::UvRuntime>());
    if (loops > 1) pool_.emplace(loops - 1, "loop");
    running_ = std::make_unique<Running[]>(loops);
    for (std::size_t i = 1; i < loops; ++i) {
      running_[i].runtime = runtimes_[i].get();
      running_[i].run = [](async::Work* self) { static_cast<Running*>(self)->runtime->run(); };
      pool_->submit(running_[i]);
    }
  }
  LoopThreads(const LoopThreads&) = delete;
  LoopThreads& operator=(const LoopThreads&) = delete;
  ~LoopThreads() {
    for (std::size_t i = 1; i < runtimes_.size(); ++i) runtimes_[i]->stop();
    pool_.reset();
  }
  [[nodiscard]] std::size_t size() const { return runtimes_.size(); }
  [[nodiscard]] async::UvRuntime& at(std::size_t index) { return *runtimes_[index]; }

 private:
  struct Running : async::Work {
    async::UvRuntime* runtime = nullptr;
  };
  std::vector<std::unique_ptr<async::UvRuntime>> runtimes_;
  std::unique_ptr<Running[]> running_;
  std::optional<async::ThreadPool> pool_;
};

class Node {
 public:
  Node(NodeOptions options, HostPort address, std::vector<std::unique_ptr<NodeService>> services)
      : options_(std::move(options)),
        address_(std::move(address)),
        services_(std::move(services)),
        threads_(options_.loops > 0 ? options_.loops : std::min(cores(), node_limits::kMaxDefaultLoops)),
        pool_(std::max<std::size_t>(4, cores()), "work"),
        log_pool_(1, "log"),
        digests_(pool_),
        engine_(options_, pool_),
        iam_(options_.root_user, options_.root_password),
        box_(options_.root_user, options_.root_password) {}

  Result<void> run() {
    auto outcome = threads_.at(0).run_until(main_task());
    if (engine_.hanging() == 0) return outcome;
    base::log_error("{} drives hang: their last calls are left behind", engine_.hanging());
    if (!outcome) base::log_error("{}", outcome.error().describe());
    base::stop_log();
    std::_Exit(outcome ? 0 : 1);
  }

 private:
  Task<Result<void>> main_task() {
    async::SignalWatcher signals(threads_.at(0), {SIGTERM, SIGINT, SIGHUP});
    async::Gate watching;
    watching.spawn(wait_for_end(signals));
    Result<void> outcome = co_await start();
    if (outcome) {
      add_connection_metrics();
      warn_of_drives();
      announce();
      co_await end_.wait();
      base::log_info("stopping");
    } else if (end_.is_set() && outcome.error().code() == ErrorCode::kCancelled) {
      outcome = {};  // told to stop while it waited for the others
    }
    // Watched until the end: a terminal's Ctrl-C and a supervisor's SIGTERM often come together, and the
    // second must not cut the stop short with mounts left behind.
    co_await stop();
    signals.close();
    co_await watching.close();
    for (const int late : {SIGTERM, SIGINT, SIGHUP}) std::signal(late, SIG_IGN);
    co_return outcome;
  }

  Task<Result<void>> start() {
    co_await or_return(load_certificates());
    std::vector<Runtime*> homes;
    for (std::size_t i = 0; i < threads_.size(); ++i) homes.push_back(&threads_.at(i));
    co_await or_return(options_.several_nodes ? open_spread(std::move(homes))
                                              : engine_.open(std::move(homes)));
    engine_open_ = true;
    make_facts();
    make_shared();
    system_.emplace(engine_.cluster(), threads_.at(0).random());
    backend_.emplace(*system_);
    identities_.emplace(iam_, *backend_, box_, threads_.at(0).random());
    co_await or_return(load_identities());
    if (peering_ != nullptr) {
      peering_->make_watch(*system_, epoch_, iam_, *identities_);
      engine_.cluster().set_system_watch(&peering_->watch());
      shared_->freshness = &peering_->watch();
      co_await or_return(peering_->watch().start());
    }
    make_loops();
    add_pages();
    co_await or_return(start_services());
    co_await or_return(open_ports());
    if (!options_.access_log.empty())
      background_.spawn(drain_access_logs(threads_.at(0), log_pool_, loops_, stop_));
    background_.spawn(sweep_references(threads_.at(0), loops_[0]->context().store, stop_));
    if (tls_ != nullptr) background_.spawn(watch_certificates(threads_.at(0), pool_, tls_, stop_));
    co_return Result<void>();
  }

  Task<Result<void>> load_certificates() {
    if (options_.certs_dir.empty()) co_return Result<void>();
    tls_ = co_await or_return(options_.several_nodes ? async::TlsContext::load_node(options_.certs_dir)
                                                     : async::TlsContext::load_server(options_.certs_dir));
    co_return Result<void>();
  }

  /// With the credentials before the last change too, when the operator gives them: users that those sealed
  /// are sealed anew.
  Task<Result<void>> load_identities() {
    std::optional<iam::SecretBox> previous;
    if (!options_.previous_root_password.empty())
      previous.emplace(options_.previous_root_user.empty() ? options_.root_user : options_.previous_root_user,
                       options_.previous_root_password);
    auto loaded = co_await identities_->load(previous ? &*previous : nullptr);
    if (loaded || loaded.error().code() != ErrorCode::kCorrupt) co_return loaded;
    co_return std::unexpected(loaded.error().wrap(ErrorCode::kCorrupt,
                                                  "users cannot be read: were the root credentials changed? "
                                                  "Then start with FLASHSTORE_PREVIOUS_ROOT_USER "
                                                  "and FLASHSTORE_PREVIOUS_ROOT_PASSWORD as they were"));
  }

  void make_facts() {
    facts_.any_region = options_.region.empty();
    if (!facts_.any_region) facts_.region = options_.region;
    for (std::string domain : options_.domains) {
      std::ranges::transform(domain, domain.begin(), [](char byte) {
        return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
      });
      facts_.domains.push_back(std::move(domain));
    }
    facts_.host_id = engine_.cluster().deployment_id().to_text();
  }

  /// The node listens first: the others wait for it as it waits for them.
  Task<Result<void>> open_spread(std::vector<Runtime*> homes) {
    peering_ = co_await or_return(Peering::make(options_, threads_.at(0), tls_));
    peering_->set_next(service_upgrades());
    options_.drives = peering_->own_drives();
    port_ = co_await or_return(peering_->door().listen(address_, tls_));
    const auto progress = [](const std::string& words) {
      fmt::print("{}\n", words);
      std::fflush(stdout);
    };
    co_return co_await engine_.open_spread(std::move(homes), peering_->peers(), progress,
                                           [this] { return end_.is_set(); });
  }

  void make_shared() {
    shared_.emplace(Shared{.facts = facts_,
                           .cluster = engine_.cluster(),
                           .epoch = epoch_,
                           .iam = iam_,
                           .digests = digests_,
                           .trace = trace_,
                           .pages = pages_,
                           .signed_region = options_.region,
                           .access_log = !options_.access_log.empty(),
                           .freshness = nullptr,
                           .upgrades = peering_ != nullptr ? peering_.get() : service_upgrades()});
  }

  ConnectionTaker* service_upgrades() {
    for (const auto& service : services_)
      if (ConnectionTaker* taker = service->upgrades()) return taker;
    return nullptr;
  }

  void make_loops() {
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      stats_.push_back(std::make_unique<RequestStats>());
      loops_.push_back(std::make_unique<Loop>(threads_.at(i), *shared_, *stats_.back()));
    }
  }

  void add_pages() {
    health_.emplace(engine_.cluster());
    scrape_.emplace(metrics_, options_.public_metrics);
    pages_.add(std::string(kHealthPrefix), *health_);
    pages_.add(std::string(kMetricsPath), *scrape_);
    metrics_.add([this](base::MetricsPage& page) { RequestStats::write(page, stats_); });
    metrics_.add([this](base::MetricsPage& page) { write_cluster_metrics(page, engine_.cluster()); });
    metrics_.add([this](base::MetricsPage& page) { write_fill_metrics(page); });
    metrics_.add([this](base::MetricsPage& page) {
      for (std::size_t i = 0; i < threads_.size(); ++i) write_loop_metrics(page, i, threads_.at(i).turns());
    });
    metrics_.add(write_process_metrics);
  }

  void write_fill_metrics(base::MetricsPage& page) {
    for (std::uint32_t set = 0; set < engine_.cluster().set_count(); ++set) {
      const cluster::DriveKeeper* keeper = engine_.cluster().keeper(set);
      if (keeper == nullptr) continue;
      const cluster::FillStatus fill = keeper->fill_status();
      const std::string number = std::to_string(set + 1);  // from 1, as in the log
      page.gauge("flashstor_fill_active", "1 while a new drive here is filled.", {{"set", number}},
                 fill.filling ? 1 : 0);
      page.gauge("flashstor_fill_waiting", "Drives here that wait to be filled.", {{"set", number}},
                 fill.waiting);
      page.counter("flashstor_fill_rows_total", "Rows copied to new drives here.", {{"set", number}},
                   static_cast<double>(fill.rows));
      page.gauge("flashstor_fill_rows_per_second", "How fast a new drive here is filled now.",
                 {{"set", number}}, static_cast<double>(fill.rows_per_second));
      page.gauge("flashstor_fill_seconds_left", "Until the new drive here is filled, about.",
                 {{"set", number}}, static_cast<double>(fill.left_s));
    }
  }

  Task<Result<void>> start_services() {
    context_.emplace(NodeContext{.options = options_,
                                 .cluster = engine_.cluster(),
                                 .pool = pool_,
                                 .iam = iam_,
                                 .identities = *identities_,
                                 .trace = trace_,
                                 .metrics = metrics_,
                                 .pages = pages_,
                                 .loops = {}});
    for (const auto& loop : loops_) context_->loops.push_back(loop->context());
    for (const auto& service : services_) {
      auto started = co_await service->start(*context_);
      if (!started)
        co_return std::unexpected(started.error().wrap(
            started.error().code(), fmt::format("{}: {}", service->name(), started.error().message())));
      ++services_started_;
    }
    co_return Result<void>();
  }

  /// The first loop's listener finds out whether the port is free; the others share it.
  Task<Result<void>> open_ports() {
    if (peering_ != nullptr) peering_->door().open(loops_.front()->handler());
    for (std::size_t i = peering_ != nullptr ? 1 : 0; i < loops_.size(); ++i) {
      HostPort address = peering_ != nullptr ? listening_address(address_) : address_;
      address.port = port_ == 0 ? address_.port : port_;
      port_ = co_await or_return(
          async::run_on(threads_.at(i), loops_[i]->serve(std::move(address), i > 0, tls_)));
    }
    co_return Result<void>();
  }

  /// A store serves without some of its drives; the operator should not learn it from the last one.
  void warn_of_drives() {
    for (std::uint32_t set = 0; set < engine_.cluster().set_count(); ++set)
      for (const storage::DriveInfo& drive : engine_.cluster().set_at(set).status().drives)
        if (drive.state != storage::DriveInfo::State::kOnline)
          base::log_warning("drive {} of set {} does not serve: {}", drive.path, set + 1,
                            drive.error.empty() ? "it is missing" : drive.error);
  }

  void announce() {
    const bool is_v6 = address_.host.contains(':');
    fmt::print("ready {}://{}{}{}:{} drives={} sets={} loops={}\n", tls_ ? "https" : "http", is_v6 ? "[" : "",
               address_.host, is_v6 ? "]" : "", port_,
               peering_ != nullptr ? peering_->drive_count() : options_.drives.size(),
               engine_.cluster().set_count(), loops_.size());
    std::fflush(stdout);
  }

  /// Once every loop has its server.
  void add_connection_metrics() {
    metrics_.add([this](base::MetricsPage& page) {
      std::uint64_t accepted = 0, open = 0, running = 0;
      for (const auto& loop : loops_) {
        // Of several nodes the first loop's is the door that opened early.
        const HttpServer* server = loop->server() != nullptr ? loop->server() : peering_->door().server();
        const ServerCounters& counters = server->counters();
        accepted += counters.accepted;
        open += counters.open_connections;
        running += counters.running_requests;
      }
      page.counter("flashstor_http_accepted_total", "Connections accepted.", {},
                   static_cast<double>(accepted));
      page.gauge("flashstor_http_connections", "Connections open.", {}, static_cast<double>(open));
      page.gauge("flashstor_http_running_requests", "Requests under way.", {}, static_cast<double>(running));
    });
  }

  Task<void> wait_for_end(async::SignalWatcher& signals) {
    while (true) {
      const int signal = co_await signals.next();
      if (signal != SIGHUP) {
        end_.set();
        co_return;
      }
      if (tls_ == nullptr) continue;
      if (auto reloaded = tls_->reload(); !reloaded)
        base::log_error("certificates were not reloaded: {}", reloaded.error().describe());
    }
  }

  Task<void> stop() {
    if (health_) health_->set_stopping();
    for (std::size_t i = 0; i < services_started_; ++i) services_[i]->stopping();
    if (peering_ != nullptr && engine_open_) co_await engine_.cluster().hand_over();
    std::vector<Task<void>> stopping;
    for (std::size_t i = 0; i < loops_.size(); ++i)
      stopping.push_back(async::run_on(threads_.at(i), loops_[i]->stop_server(node_limits::kStopGrace)));
    if (peering_ != nullptr) stopping.push_back(peering_->door().stop(node_limits::kStopGrace));
    co_await async::gather(std::move(stopping));
    if (peering_ != nullptr && engine_open_) engine_.cluster().end_waits();
    while (services_started_ > 0) co_await services_[--services_started_]->stop();
    stop_.set();
    co_await background_.close();
    if (peering_ != nullptr) co_await peering_->stop_watch();
    for (std::size_t i = 0; i < loops_.size(); ++i)
      co_await async::run_on(threads_.at(i), loops_[i]->close_store());
    if (engine_open_) co_await engine_.close();
    if (peering_ != nullptr) co_await peering_->peers().stop();
  }

  NodeOptions options_;
  HostPort address_;
  std::vector<std::unique_ptr<NodeService>> services_;
  LoopThreads threads_;
  async::ThreadPool pool_;
  async::ThreadPool log_pool_;
  objects::DigestPool digests_;
  std::unique_ptr<Peering> peering_;  ///< Of a node of several.
  Engine engine_;
  bool engine_open_ = false;
  objects::BucketEpoch epoch_;
  iam::Iam iam_;
  iam::SecretBox box_;
  std::optional<objects::SystemStore> system_;
  std::optional<SystemIdentityBackend> backend_;
  std::optional<iam::IdentityStore> identities_;
  NodeFacts facts_;
  TraceHub trace_;
  base::MetricsRegistry metrics_;
  Pages pages_;
  std::optional<HealthPage> health_;
  std::optional<MetricsPage> scrape_;
  std::shared_ptr<async::TlsContext> tls_;
  std::optional<Shared> shared_;
  std::vector<std::unique_ptr<RequestStats>> stats_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::optional<NodeContext> context_;
  std::size_t services_started_ = 0;
  std::uint16_t port_ = 0;
  async::Event stop_;
  async::Event end_;  ///< The operator wants the node to end.
  async::Gate background_;
};

}  // namespace

Result<void> run_node(NodeOptions options, std::vector<std::unique_ptr<NodeService>> services) {
  auto address = parse_host_port(options.address);
  if (!address) return std::unexpected(address.error());
  if (auto checked = check_root_credentials(options, *address); !checked) return checked;
  if (has_default_credentials(options))
    base::log_warning("the root credentials are well known: good enough on loopback only");
  async::ignore_sigpipe();
  const auto node = std::make_unique<Node>(std::move(options), std::move(*address), std::move(services));
  return node->run();
}

}  // namespace flashstor::s3d
