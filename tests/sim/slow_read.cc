#include "tests/sim/client_world.h"

/// A read that takes longer than the grace of what it reads.
namespace flashstor::sim {

Task<void> ClientWorld::begin_slow_read(ClientNode* node, SlowReadRef read) {
  objects::ObjectStore& store = node->store();
  objects::BufferSource body(Buffer::copy_of(read->expected), 999);
  objects::PutRequest put{.bucket = "plain", .key = "slow"};
  put.body = &body;
  const auto done = co_await store.put_object(std::move(put));
  auto found = co_await store.get_object({.bucket = "plain", .key = "slow"});
  if (done && found) {
    read->reader = std::move(found->reader);
    const auto window = co_await read->reader->next();
    if (window) read->got.append(window->flatten().view());
    if (!window) read->error = window.error().describe();
  } else {
    read->error = done ? found.error().describe() : done.error().describe();
  }
  read->running = false;
}

Task<void> ClientWorld::remove_slow(ClientNode* node, SlowReadRef read) {
  const auto removed = co_await node->store().delete_object({.bucket = "plain", .key = "slow"});
  if (!removed) read->error = removed.error().describe();
  read->running = false;
}

Task<void> ClientWorld::end_slow_read(SlowReadRef read) {
  while (true) {
    const auto window = co_await read->reader->next();
    if (!window) read->error = window.error().describe();
    if (!window || window->empty()) break;
    read->got.append(window->flatten().view());
  }
  read->reader.reset();
  read->running = false;
}

bool ClientWorld::read_slowly(ClientNode& reader, ClientNode& remover) {
  const auto read = std::make_shared<SlowRead>();
  read->expected = contents_[static_cast<std::size_t>(new_content(chance(500) ? 6000 : 1400))];
  const auto step = [this, &read](ClientNode& node, Task<void> task, const char* words) {
    read->running = true;
    node.spawn(std::move(task));
    if (!wait([read] { return !read->running; }, std::chrono::minutes(1)) && failure_.empty()) violate(words);
    return failure_.empty();
  };
  if (!step(reader, begin_slow_read(&reader, read), "a read in an idle set does not begin")) return false;
  if (read->error.empty() &&
      !step(remover, remove_slow(&remover, read), "a removal in an idle set does not end"))
    return false;
  wait([] { return false; }, std::chrono::minutes(15));
  if (read->reader != nullptr && !step(reader, end_slow_read(read), "a slow read does not end")) return false;
  if (!read->error.empty() || read->got != read->expected) violate("a slow read fails: " + read->error);
  return failure_.empty();
}

}  // namespace flashstor::sim
