#include "cli/part_file.h"

#include <fmt/format.h>

#include "cli/digest.h"
#include "cli/text.h"

namespace flashstor::cli {
namespace {

constexpr std::size_t kIdentityBytes = 32;

std::string this_boot() {
  return std::string(trim(read_whole("/proc/sys/kernel/random/boot_id", 128).value_or("unknown")));
}

}  // namespace

PartFile::PartFile(LocalFile file, std::string name, const PartPlan& plan)
    : file_(std::move(file)),
      name_(std::move(name)),
      plan_(plan),
      marks_(static_cast<std::size_t>(plan.count()), '\0') {}

Result<std::unique_ptr<PartFile>> PartFile::open(const std::string& name, std::string_view source,
                                                 const PartPlan& plan) {
  auto file = LocalFile::open_locked(name + ".part", 0666);
  if (!file) return std::unexpected(file.error());
  std::unique_ptr<PartFile> part(new PartFile(std::move(*file), name, plan));  // NOLINT: private constructor
  const std::string identity =
      sha256(fmt::format("{}\n{}\n{}\n{}", source, plan.bytes, plan.part_bytes, this_boot()));
  std::string notes(kIdentityBytes + part->marks_.size(), '\0');
  const auto size = part->file_.size();
  if (!size) return std::unexpected(size.error());
  if (*size == plan.bytes + notes.size()) {
    const auto got = part->file_.read_at(plan.bytes, notes);
    if (!got) return std::unexpected(got.error());
    if (*got == notes.size() && notes.starts_with(identity)) {
      part->marks_ = notes.substr(kIdentityBytes);
      for (char& mark : part->marks_) mark = mark == 1 ? 1 : 0;
      return part;
    }
  }
  auto fresh = part->file_.truncate(0);
  if (fresh) fresh = part->file_.write_at(plan.bytes, identity + part->marks_);
  if (!fresh) return std::unexpected(fresh.error());
  return part;
}

Result<void> PartFile::mark(int number) {
  const auto index = static_cast<std::size_t>(number - 1);
  marks_[index] = 1;  // Each range is marked by the one thread that fetched it.
  return file_.write_at(plan_.bytes + kIdentityBytes + index, std::string_view("\1", 1));
}

Result<void> PartFile::finish() const {
  if (auto cut = file_.truncate(plan_.bytes); !cut) return cut;
  return rename_over(name_ + ".part", name_);
}

}  // namespace flashstor::cli
