#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/random.h"
#include "engine/storage/file_io.h"

namespace flashstor::storage {

/// Files in memory that fail as drives do. What was not synced is lost by `crash`, or torn, or survives:
/// each 512-byte sector by its own coin. Names change in an ordered journal, as journaling file systems have
/// it: a crash keeps a prefix of what no directory sync covered. Faults come from a hook, so that a test or a
/// seed decides. Threads: any.
class SimFileIo final : public FileIo {
 public:
  static constexpr std::size_t kSectorBytes = 512;
  enum class Op { kOpen, kRead, kWrite, kSync, kPreallocate, kRename, kRemove, kDirectory, kList };
  /// Asked before each operation; an error code makes it fail with nothing done.
  std::function<std::optional<ErrorCode>(Op op, const std::string& path)> fault;
  /// Bytes that all files together may take.
  std::uint64_t capacity_bytes = UINT64_MAX;
  bool supports_direct = true;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode, bool direct) override {
    const std::lock_guard lock(mutex_);
    if (auto bad = check(Op::kOpen, path); !bad) return std::unexpected(bad.error());
    if (direct && !supports_direct) return fail(ErrorCode::kNotSupported, path);
    const auto found = names_.find(path);
    if (mode == OpenMode::kCreate) {
      if (found != names_.end()) return fail(ErrorCode::kExists, path);
      if (!directories_.contains(parent(path))) return fail(ErrorCode::kNotFound, path);
      auto inode = std::make_shared<Inode>();
      change(path, inode);
      return std::make_unique<Handle>(*this, inode, path, direct);
    }
    if (found == names_.end()) return fail(ErrorCode::kNotFound, path + " is not there");
    return std::make_unique<Handle>(*this, found->second, path, direct);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    if (auto bad = check(Op::kRename, from); !bad) return bad;
    const auto found = names_.find(from);
    if (found == names_.end()) return fail(ErrorCode::kNotFound, from);
    journal_.push_back({{from, nullptr}, {to, found->second}});
    names_[to] = found->second;
    names_.erase(from);
    return {};
  }
  Result<void> remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (auto bad = check(Op::kRemove, path); !bad) return bad;
    if (!names_.contains(path)) return fail(ErrorCode::kNotFound, path);
    change(path, nullptr);
    return {};
  }
  Result<void> remove_tree(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (auto bad = check(Op::kRemove, path); !bad) return bad;
    for (const std::string& name : below(path)) change(name, nullptr);
    std::erase_if(directories_, [&path](const std::string& name) { return is_below(name, path); });
    return {};
  }
  Result<void> make_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (auto bad = check(Op::kDirectory, path); !bad) return bad;
    directories_.insert(path);  // durable at once: no test hangs on the loss of an empty directory
    return {};
  }
  Result<void> sync_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (auto bad = check(Op::kSync, path); !bad) return bad;
    durable_names_ = names_;
    journal_.clear();
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (auto bad = check(Op::kList, path); !bad) return std::unexpected(bad.error());
    if (!directories_.contains(path)) return fail(ErrorCode::kNotFound, path);
    std::set<std::string> names;
    const auto add = [&](const std::string& full) {
      if (full.starts_with(path + "/"))
        names.insert(full.substr(path.size() + 1, full.find('/', path.size() + 1) - path.size() - 1));
    };
    for (const auto& [name, inode] : names_) add(name);
    for (const std::string& name : directories_) add(name);
    return std::vector<std::string>(names.begin(), names.end());
  }
  Result<bool> exists(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return names_.contains(path) || directories_.contains(path);
  }
  Result<SpaceInfo> space(const std::string& /*path*/) override {
    const std::lock_guard lock(mutex_);
    const std::uint64_t used = used_bytes();
    return SpaceInfo{capacity_bytes, capacity_bytes - std::min(capacity_bytes, used), false};
  }
  Result<std::unique_ptr<File>> lock(const std::string& path) override {
    auto file = open(path, OpenMode::kCreate, false);
    return file ? std::move(file) : open(path, OpenMode::kReadWrite, false);
  }

  /// A power cut: nothing that is open may be used afterwards.
  void crash(Random& random) {
    const std::lock_guard lock(mutex_);
    const std::size_t kept = journal_.empty() ? 0 : random.below(journal_.size() + 1);
    for (std::size_t i = 0; i < kept; ++i)
      for (const auto& [name, inode] : journal_[i]) set(durable_names_, name, inode);
    journal_.clear();
    names_ = durable_names_;
    for (auto& [name, inode] : names_) inode->crash(random);
  }
  /// Another, empty directory stands there: what was below `path` is gone, whatever was synced.
  void replace(const std::string& path) {
    const std::lock_guard lock(mutex_);
    for (const std::string& name : below(path)) {
      names_.erase(name);
      durable_names_.erase(name);
    }
    for (auto& change : journal_)
      std::erase_if(change, [&path](const auto& item) { return is_below(item.first, path); });
    std::erase_if(directories_, [&path](const std::string& name) { return is_below(name, path); });
    directories_.insert(path);
  }
  /// Flips one bit of a file, as rot does.
  void flip(const std::string& path, std::uint64_t offset, int bit = 0) {
    const std::lock_guard lock(mutex_);
    Inode& inode = *names_.at(path);
    inode.bytes.at(offset) ^= static_cast<char>(1 << bit);
    inode.durable = inode.bytes;
    inode.unsynced.clear();
  }
  /// Puts bytes into a file behind everybody's back (misdirected or lost writes).
  void overwrite(const std::string& path, std::uint64_t offset, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    Inode& inode = *names_.at(path);
    inode.bytes.replace(offset, bytes.size(), bytes);
    inode.durable = inode.bytes;
  }
  [[nodiscard]] std::string content(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return names_.at(path)->bytes;
  }
  [[nodiscard]] bool is_file(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return names_.contains(path);
  }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }

 private:
  struct Inode {
    std::string bytes;
    std::string durable;
    std::set<std::uint64_t> unsynced;  ///< Sectors.
    void sync() {
      durable.resize(bytes.size());
      for (const std::uint64_t sector : unsynced) copy(sector);
      unsynced.clear();
    }
    void copy(std::uint64_t sector) {
      const std::uint64_t at = sector * kSectorBytes;
      if (at >= bytes.size()) return;
      const std::size_t size = std::min<std::uint64_t>(kSectorBytes, bytes.size() - at);
      durable.replace(at, size, bytes, at, size);
    }
    void crash(Random& random) {
      durable.resize(bytes.size());
      for (const std::uint64_t sector : unsynced)
        if (random.below(2) == 0) copy(sector);
      unsynced.clear();
      bytes = durable;
    }
  };
  class Handle final : public File {
   public:
    Handle(SimFileIo& io, std::shared_ptr<Inode> inode, std::string path, bool direct)
        : io_(io), inode_(std::move(inode)), path_(std::move(path)), direct_(direct) {}
    Result<std::size_t> read(std::span<std::byte> into, std::uint64_t offset) override {
      const std::lock_guard lock(io_.mutex_);
      if (auto bad = io_.check(Op::kRead, path_); !bad) return std::unexpected(bad.error());
      if (offset >= inode_->bytes.size()) return std::size_t{0};
      const std::size_t size = std::min<std::uint64_t>(into.size(), inode_->bytes.size() - offset);
      std::memcpy(into.data(), inode_->bytes.data() + offset, size);
      return size;
    }
    Result<std::size_t> read_cached(std::span<std::byte> into, std::uint64_t offset) override {
      return read(into, offset);
    }
    Result<void> write(std::span<const std::byte> from, std::uint64_t offset) override {
      const std::lock_guard lock(io_.mutex_);
      return put(from, offset);
    }
    Result<void> write_durable(std::span<const std::byte> from, std::uint64_t offset) override {
      const std::lock_guard lock(io_.mutex_);
      if (auto done = put(from, offset); !done) return done;
      if (auto bad = io_.check(Op::kSync, path_); !bad) return bad;
      inode_->sync();
      return {};
    }
    Result<void> sync() override {
      const std::lock_guard lock(io_.mutex_);
      if (auto bad = io_.check(Op::kSync, path_); !bad) return bad;
      inode_->sync();
      return {};
    }
    Result<void> preallocate(std::uint64_t size) override {
      const std::lock_guard lock(io_.mutex_);
      if (auto bad = io_.check(Op::kPreallocate, path_); !bad) return bad;
      return resize(std::max<std::uint64_t>(size, inode_->bytes.size()));
    }
    Result<void> truncate(std::uint64_t size) override {
      const std::lock_guard lock(io_.mutex_);
      return resize(size);
    }
    Result<std::uint64_t> size() override {
      const std::lock_guard lock(io_.mutex_);
      return inode_->bytes.size();
    }

   private:
    Result<void> resize(std::uint64_t size) {
      if (size > inode_->bytes.size() && io_.used_bytes() + size - inode_->bytes.size() > io_.capacity_bytes)
        return fail(ErrorCode::kNoSpace, path_);
      inode_->bytes.resize(size, '\0');
      return {};
    }
    Result<void> put(std::span<const std::byte> from, std::uint64_t offset) {
      if (auto bad = io_.check(Op::kWrite, path_); !bad) return bad;
      const bool aligned = reinterpret_cast<std::uintptr_t>(from.data()) % 4096 == 0 && offset % 4096 == 0 &&
                           from.size() % 4096 == 0;
      if (direct_ && !aligned) return fail(ErrorCode::kIo, path_ + ": O_DIRECT needs aligned writes");
      if (offset + from.size() > inode_->bytes.size())
        if (auto grown = resize(offset + from.size()); !grown) return grown;
      std::memcpy(inode_->bytes.data() + offset, from.data(), from.size());
      for (std::uint64_t at = offset / kSectorBytes; at * kSectorBytes < offset + from.size(); ++at)
        inode_->unsynced.insert(at);
      ++io_.writes_;
      return {};
    }
    SimFileIo& io_;
    std::shared_ptr<Inode> inode_;
    std::string path_;
    bool direct_;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  Result<void> check(Op op, const std::string& path) {
    if (!fault) return {};
    if (const auto code = fault(op, path)) return fail(*code, path + ": injected");
    return {};
  }
  static bool is_below(const std::string& name, const std::string& path) {
    return name == path || name.starts_with(path + "/");
  }
  [[nodiscard]] std::vector<std::string> below(const std::string& path) const {
    std::vector<std::string> out;
    for (const auto& [name, inode] : names_)
      if (is_below(name, path)) out.push_back(name);
    return out;
  }
  static std::string parent(const std::string& path) { return path.substr(0, path.rfind('/')); }
  static void set(Names& names, const std::string& name, const std::shared_ptr<Inode>& inode) {
    if (inode == nullptr) {
      names.erase(name);
    } else {
      names[name] = inode;
    }
  }
  void change(const std::string& name, std::shared_ptr<Inode> inode) {
    set(names_, name, inode);
    journal_.push_back({{name, std::move(inode)}});
  }
  [[nodiscard]] std::uint64_t used_bytes() const {
    std::uint64_t used = 0;
    for (const auto& [name, inode] : names_) used += inode->bytes.size();
    return used;
  }

  std::mutex mutex_;
  Names names_;
  Names durable_names_;
  std::vector<std::vector<std::pair<std::string, std::shared_ptr<Inode>>>> journal_;
  std::set<std::string> directories_{"/d"};
  std::uint64_t writes_ = 0;
};

}  // namespace flashstor::storage
