#include "fusefs/kernel_mount.h"

#include <gtest/gtest.h>

namespace flashstor::fusefs {
namespace {

constexpr const char* kMounts =
    "27 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
    "42 27 0:39 / /mnt/a rw,nosuid - fuse.flashstor photos rw\n"
    "43 27 0:40 / /mnt/a\\040b rw,nosuid - fuse.flashstor photos rw\n"
    "44 42 0:41 / /mnt/a rw - tmpfs tmpfs rw\n";

TEST(KernelMount, TheTopmostMountCounts) {
  EXPECT_EQ(mounted_device_in(kMounts, "/mnt/a"), "0:41");
  EXPECT_EQ(mounted_device_in(kMounts, "/mnt/a b"), "0:40");
  EXPECT_EQ(mounted_device_in(kMounts, "/mnt"), std::nullopt);
  EXPECT_EQ(mounted_device_in("", "/mnt/a"), std::nullopt);
  EXPECT_EQ(mounted_device_in("short line\n", "/mnt/a"), std::nullopt);
}

TEST(KernelMount, OnlyTheMountMeantIsUnmounted) {
  EXPECT_EQ(unmount("/proc", "nothing", true).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(unmount("/no/such/place", "0:1", false).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(mounted_device("/proc").has_value());
}

TEST(KernelMount, NothingIsMountedWhereThereIsNoDirectory) {
  EXPECT_EQ(check_mount_point("/no/such/place").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(check_mount_point("/proc/self/stat").error().code(), ErrorCode::kNotFound) << "a file";
}

}  // namespace
}  // namespace flashstor::fusefs
