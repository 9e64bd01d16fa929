#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "cli/local_file.h"
#include "cli/multipart.h"

namespace flashstor::cli {

/// A download that is not whole yet: `NAME.part`. Behind the object's bytes it keeps which object they are of
/// and one byte for each range that has come, so a later run fetches only the others.
///   [0, size)            the object's bytes, with holes
///   [size, size + 32)    SHA-256 of source, ETag, size, range size and the machine's boot
///   [size + 32, …)       one byte a range, 1 when it is there
/// The boot is in it because after a power cut a range's mark may be there without its bytes.
/// Threads: `write` and `mark` from several at once.
class PartFile {
 public:
  /// Errors: kBusy when another process downloads to the same name, kIo, kNoSpace.
  [[nodiscard]] static Result<std::unique_ptr<PartFile>> open(const std::string& name,
                                                              std::string_view source, const PartPlan& plan);
  [[nodiscard]] bool has(int number) const { return marks_[static_cast<std::size_t>(number - 1)] == 1; }
  [[nodiscard]] Result<void> write(std::uint64_t offset, std::string_view bytes) const {
    return file_.write_at(offset, bytes);
  }
  /// Range `number` is there whole.
  [[nodiscard]] Result<void> mark(int number);
  /// Cuts the notes off and gives the file its name.
  [[nodiscard]] Result<void> finish() const;

 private:
  PartFile(LocalFile file, std::string name, const PartPlan& plan);
  LocalFile file_;
  std::string name_;
  PartPlan plan_;
  std::string marks_;
};

}  // namespace flashstor::cli
