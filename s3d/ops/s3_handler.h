#pragma once

#include "s3d/http/server.h"
#include "s3d/ops/call.h"

namespace flashstor::s3d {

/// What answers under /flashstor/: health, metrics, the admin API. Not S3, but over the same door.
class InternalPages {
 public:
  virtual ~InternalPages() = default;
  /// True for pages that anybody may read: they are answered without looking at a signature.
  [[nodiscard]] virtual bool is_open(const Request& request) const = 0;
  /// Answers, or returns why not. The caller is authenticated unless the page is open; authorising is the
  /// page's own work.
  virtual Task<Result<void>> handle(Call& call) = 0;
};
inline constexpr std::string_view kInternalPrefix = "/flashstor/";

/// The S3 door of one loop: authenticates, authorises, runs the operation of each request, counts and logs
/// it. Threads: its loop.
class S3Handler final : public HttpHandler {
 public:
  /// `services` and `pages` outlive it; `pages` may be null.
  S3Handler(Services& services, InternalPages* pages) : services_(services), pages_(pages) {}
  Task<void> handle(Request& request, ResponseWriter& response) override;
  void on_refused(Refusal refusal, std::string_view peer) override;

 private:
  struct Phases {
    MonotonicTime authenticated{};
    MonotonicTime authorised{};
  };
  Task<Result<void>> run(Call& call, Phases& phases);
  /// `page`: nothing that others change is asked for, where root asks.
  Task<Result<void>> authenticate(Call& call, bool page = false);
  Task<Result<void>> authorise(Call& call);
  Task<Result<void>> run_internal(Call& call, Phases& phases);
  Task<void> send_error(Call& call, const S3Error& error);
  void finish(Call& call, const Phases& phases, WallTime at, const Result<void>& outcome);

  Services& services_;
  InternalPages* pages_;
};

/// How a failed signature is told.
[[nodiscard]] S3Error auth_s3_error(const AuthError& error, const Request& request);

/// Refuses what this version would otherwise silently not do: encryption, object lock, grants, and the like
/// asked for by headers. Errors: NotImplemented, refused on the call.
[[nodiscard]] Result<void> refuse_unsupported_headers(Call& call);

}  // namespace flashstor::s3d
