#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/gather.h"
#include "engine/async/uv_runtime.h"
#include "engine/storage/row_store_rocksdb.h"
#include "engine/storage/xl_storage.h"

/// Durable small writes on four drives: `log_bench DIR [WRITERS] [SECONDS] [apply]`. Each object is a 4 KiB
/// slice, 2+2: an entry and a 2 KiB data record appended on every drive, awaited on all; with `apply` its row
/// is applied too. Prints objects per second and CPU time per object.
namespace {

using namespace flashstor;           // NOLINT(google-build-using-namespace): a program of one page
using namespace flashstor::storage;  // NOLINT(google-build-using-namespace)

struct Bench {
  async::UvRuntime runtime;
  std::unique_ptr<FileIo> io = make_posix_file_io();
  RowStoreResources resources{{}};
  std::vector<std::unique_ptr<XlStorage>> drives;
  std::uint64_t next = 0;
  std::uint64_t done = 0;
  MonotonicTime until;
  bool apply = false;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Task<bool> one_drive(XlStorage* drive, AppendBatch batch) {
  co_return (co_await drive->append(std::move(batch))).has_value();
}

Task<bool> writer(Bench* bench) {
  const Buffer shard = Buffer::copy_of(std::string(2048, 'x'));
  while (bench->runtime.now() < bench->until) {
    const std::uint64_t index = ++bench->next;
    EntryBody body;
    body.changes = {{Family::kVersions, fmt::format("bucket/key-{:012}", index), std::string(200, 'v')}};
    body.data = {{1, index}, 0, {2, 2}, DataPlace::kLog, 4096};
    const Buffer payload = Buffer::copy_of(encode_entry(body));
    std::vector<Task<bool>> appends;
    for (std::size_t i = 0; i < bench->drives.size(); ++i) {
      AppendBatch batch;
      batch.entries.push_back({1, index, 0, payload});
      batch.data.push_back({body.data.id, body.data, static_cast<std::uint8_t>(i), shard});
      appends.push_back(one_drive(bench->drives[i].get(), std::move(batch)));
    }
    for (const bool good : co_await async::gather(std::move(appends)))
      if (!good) co_return false;
    ++bench->done;
  }
  co_return true;
}

Task<bool> applier(Bench* bench, XlStorage* drive) {
  std::uint64_t applied = 0;
  while (bench->apply && bench->runtime.now() < bench->until) {
    auto entries = co_await drive->read_entries(applied + 1, applied + 256, 1 << 20);
    if (!entries || entries->empty()) {
      co_await async::sleep_for(bench->runtime, std::chrono::microseconds(200));
      continue;
    }
    applied = entries->back().index;
    if (!co_await drive->apply(std::move(*entries))) co_return false;
  }
  co_return true;
}

int run(const std::string& directory, std::size_t writers, int seconds, bool apply) {
  Bench bench;
  bench.apply = apply;
  std::filesystem::remove_all(directory);
  for (std::uint64_t i = 0; i < 4; ++i) {
    XlStorageOptions options;
    options.path = fmt::format("{}/d{}", directory, i);
    options.io = bench.io.get();
    options.salt_seed = i + 1;
    options.open_rows = [&](const std::string& path) { return open_rocksdb_rows(path, bench.resources); };
    std::filesystem::create_directories(options.path);
    if (!format_drive(*bench.io, options.path, {{1, 1}, 0, 0, static_cast<std::uint32_t>(i), {2, i}, {}}))
      return 1;
    auto drive = XlStorage::open(options);
    if (!drive || !bench.runtime.run_until((*drive)->recover())) return 1;
    bench.drives.push_back(std::move(*drive));
  }
  const auto started = bench.runtime.now();
  bench.until = started + std::chrono::seconds(seconds);
  const double cpu = cpu_seconds();
  std::vector<Task<bool>> tasks;
  for (std::size_t i = 0; i < writers; ++i) tasks.push_back(writer(&bench));
  for (const auto& drive : bench.drives) tasks.push_back(applier(&bench, drive.get()));
  bool good = true;
  for (const bool one : bench.runtime.run_until(async::gather(std::move(tasks)))) good = good && one;
  const double used = cpu_seconds() - cpu;
  const double wall = std::chrono::duration<double>(bench.runtime.now() - started).count();
  std::uint64_t batches = 0;
  std::uint64_t bytes = 0;
  for (const auto& drive : bench.drives) {
    batches += drive->log_batches();
    bytes += drive->log_bytes_written();
    good = good && bench.runtime.run_until(drive->close());
  }
  const auto objects = static_cast<double>(bench.done);
  fmt::print(
      "writers {} apply {} good {}: {:.0f} objects/s, {:.2f} us of CPU an object, {:.1f} appends a batch, "
      "{:.0f} log bytes an object and drive\n",
      writers, apply, good, objects / wall, used * 1e6 / objects, 4 * objects / static_cast<double>(batches),
      static_cast<double>(bytes) / objects / 4);
  bench.drives.clear();
  std::filesystem::remove_all(directory);
  return good ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: log_bench DIR [WRITERS] [SECONDS] [apply]\n");
    return 2;
  }
  return run(arguments[1], count > 2 ? std::strtoul(arguments[2], nullptr, 10) : 64,
             count > 3 ? std::atoi(arguments[3]) : 3, count > 4);
}
