#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/storage/drive_fill.h"

/// Filling a drive from one of another node: rows travel in pages.
namespace flashstor::storage {

/// Rows of one family in key order, as many as one answer carries.
struct RowPage {
  std::vector<std::pair<std::string, std::string>> rows;
  bool more = false;  ///< There are rows after the last of these.
};
/// About this many bytes of rows go into a page; at least one row.
inline constexpr std::size_t kPageBytes = 1024 * 1024;

/// The rows of `family` from key `from` on. Blocks. Errors: of the store.
[[nodiscard]] Result<RowPage> read_page(RowStore& source, Family family, const std::string& from);
/// Makes the rows of `target` from `from` to the end of `page` (of the family when it has no more) those of
/// the page; what is the same already is not written again. Gives where the next page begins. Blocks. Errors:
/// of the store; kCancelled.
Result<std::string> put_page(RowStore& target, Family family, const std::string& from, const RowPage& page,
                             FillProgress& progress);

/// Opens the index of the drive at `path` for a fill: the mark of how far its rows are applied goes first, so
/// that until the end they are of no time. Blocks.
[[nodiscard]] Result<std::unique_ptr<RowStore>> begin_fill(const std::string& path, const OpenRows& open_rows,
                                                           FillProgress& progress);
/// A consistent copy of `source`, the index of a drive in use, in the new directory `scratch` on that drive.
/// Blocks.
[[nodiscard]] Result<std::unique_ptr<RowStore>> freeze_rows(RowStore& source, const std::string& scratch,
                                                            const OpenRows& open_rows);
/// Removes the copies that fills which a stop cut off left on the drive at `path`.
void sweep_frozen(FileIo& io, const std::string& path);
/// Where a copy of the rows of the drive at `path` is made.
[[nodiscard]] std::string scratch_of(const std::string& path, const Uuid& id);

[[nodiscard]] std::string encode_page(const RowPage& page);
/// Errors: kMalformed; also for keys that do not ascend.
[[nodiscard]] Result<RowPage> decode_page(std::string_view bytes);
[[nodiscard]] std::string encode_fill_base(const FillBase& base);
/// Errors: kMalformed.
[[nodiscard]] Result<FillBase> decode_fill_base(std::string_view bytes);

}  // namespace flashstor::storage
