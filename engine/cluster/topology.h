#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/error.h"

/// Which drives there are and how they form sets.
namespace flashstor::cluster {

/// Expands `{a...b}` in drive arguments: `/data{1...4}`, `/mnt/{01...12}/disk{1...2}`. Numbers keep the
/// width of the first one. Paths lose trailing slashes.
/// Errors: kInvalidArgument in words (a bad or empty range, more than kMaxDrives, one path twice, none at
/// all, or a drive of another node: spread.h).
[[nodiscard]] Result<std::vector<std::string>> expand_drives(const std::vector<std::string>& arguments);

/// Expands `{a...b}` alone, whatever the names mean. Errors: kInvalidArgument.
[[nodiscard]] Result<std::vector<std::string>> expand_names(const std::vector<std::string>& arguments);

/// Drives of each set for `drives` drives on one node: the largest divisor of at most kMaxDrivesPerSet.
/// Errors: kInvalidArgument when only sets of one drive would do (a prime above 16).
[[nodiscard]] Result<std::uint32_t> set_size(std::size_t drives);

/// Whether sets of this many drives can have this parity: at most half of them, rounded down, so that as many
/// drives as are lost are left. Errors: kInvalidArgument in words.
[[nodiscard]] Result<void> check_parity(std::uint32_t parity, std::uint32_t set_drives);

}  // namespace flashstor::cluster
