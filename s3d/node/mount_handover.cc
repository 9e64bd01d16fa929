#include "s3d/node/mount_handover.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/base/hex.h"
#include "engine/base/json.h"
#include "s3d/auth/canonical.h"
#include "s3d/auth/sha256.h"
#include "s3d/node/mount_limits.h"
#include "s3d/ops/s3_error.h"

namespace flashstor::s3d {
namespace {

std::string_view view_of(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// Of mount(8), fstab(5), systemd and the kernel: nothing to do for whoever serves the mount.
constexpr std::array<std::string_view, 22> kOfOthers{
    "rw",       "noallow_other", "suid",   "nosuid",   "dev",
    "nodev",    "exec",          "noexec", "atime",    "noatime",
    "relatime", "auto",          "noauto", "user",     "users",
    "nouser",   "_netdev",       "nofail", "defaults", "default_permissions",
    "nonempty", "sync"};

Result<std::uint32_t> number(std::string_view name, std::string_view text, int base) {
  std::uint32_t value = 0;
  const auto [at, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (problem != std::errc() || at != text.data() + text.size() || text.empty())
    return fail(ErrorCode::kInvalidArgument, fmt::format("mount option {}={} wants a number", name, text));
  return value;
}

/// The code that a client is told.
std::string handover_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return "NotFound";
    case ErrorCode::kMalformed:
      return "MalformedRequest";
    case ErrorCode::kNotSupported:
      return "NotSupported";
    default:
      return std::string(shape_of(s3_code_of(code)).code);
  }
}

}  // namespace

Result<HandoverRequest> parse_handover(std::string_view text) {
  auto json = Json::parse(text, {.bytes = mount_limits::kMaxMessageBytes, .depth = 8});
  if (!json) return std::unexpected(json.error());
  if (json->int_or("version") != 1)
    return fail(ErrorCode::kNotSupported, "this node speaks version 1 of the mount protocol");
  HandoverRequest request;
  const std::pair<const char*, std::string*> texts[] = {{"bucket", &request.bucket},
                                                        {"mountpoint", &request.mountpoint},
                                                        {"access_key", &request.access_key},
                                                        {"date", &request.date},
                                                        {"signature", &request.signature}};
  for (const auto& [name, into] : texts) {
    auto value = json->need_string(name);
    if (!value) return std::unexpected(value.error());
    *into = std::move(*value);
  }
  if (const std::string* challenge = json->get("challenge").as_string()) request.challenge = *challenge;
  for (const JsonMember& option : json->get("options").members()) {
    const std::string* value = option.value.as_string();
    if (value == nullptr) return fail(ErrorCode::kMalformed, "mount options are texts");
    request.options[option.name] = *value;
  }
  // A line feed would let one signature stand for two requests.
  for (const std::string* field :
       {&request.bucket, &request.mountpoint, &request.access_key, &request.date, &request.challenge})
    if (field->find('\n') != std::string::npos) return fail(ErrorCode::kMalformed, "a line feed in a field");
  if (!request.mountpoint.starts_with('/'))
    return fail(ErrorCode::kInvalidArgument, "the mount point must be an absolute path");
  return request;
}

Result<void> verify_handover(const HandoverRequest& request, iam::IamView& identities, WallTime now) {
  const auto date = parse_amz_date(request.date);
  if (!date) return fail(ErrorCode::kMalformed, "the date does not parse");
  const auto skew = now > *date ? now - *date : *date - now;
  if (skew > mount_limits::kMaxSkew)
    return fail(ErrorCode::kRequestTimeSkewed, "the caller's clock is too far from the node's");
  const auto who = identities.find(request.access_key);
  if (!who) return std::unexpected(who.error());
  const Sha256Digest key = HmacKey("flashstor-mount" + (*who)->secret_key).sign(request.date);
  std::string lines =
      fmt::format("{}\n{}\n{}\n{}", request.bucket, request.mountpoint, request.access_key, request.date);
  if (!request.challenge.empty()) lines += '\n' + request.challenge;
  const Sha256Digest mac = HmacKey(view_of(key)).sign(lines);
  if (!equal_in_constant_time(base::to_hex(view_of(mac)), request.signature))
    return fail(ErrorCode::kSignatureMismatch, "the signature does not match: check the secret key");
  return {};
}

std::string handover_answer(const Result<std::uint64_t>& mounted) {
  if (mounted) return Json::object({{"ok", true}, {"id", *mounted}}).dump();
  return Json::object({{"ok", false},
                       {"code", handover_code(mounted.error().code())},
                       {"message", mounted.error().message()}})
      .dump();
}

Result<fusefs::SessionOptions> session_options(const std::map<std::string, std::string>& options) {
  fusefs::SessionOptions out;
  for (const auto& [name, value] : options) {
    if (name == "ro") {
      out.read_only = true;
    } else if (name == "allow_other") {
      out.allow_other = true;
    } else if (name == "uid" || name == "gid") {
      const auto id = number(name, value, 10);
      if (!id) return std::unexpected(id.error());
      (name == "uid" ? out.uid : out.gid) = *id;
    } else if (name == "umask") {
      const auto mask = number(name, value, 8);
      if (!mask) return std::unexpected(mask.error());
      out.umask = *mask & 0777U;
    } else if (std::ranges::find(kOfOthers, name) == kOfOthers.end() && !name.starts_with("x-")) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("unknown mount option {}", name));
    }
  }
  return out;
}

}  // namespace flashstor::s3d
