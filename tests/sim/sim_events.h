#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace flashstor::sim {

/// What is to happen, in order of time and then of scheduling: the only source of order in a simulation.
template <class Event>
class EventQueue {
 public:
  void push(std::int64_t at, Event event) {
    heap_.push_back({at, next_++, std::move(event)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::int64_t next_at() const { return heap_.front().at; }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }
  Event pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Event event = std::move(heap_.back().event);
    heap_.pop_back();
    return event;
  }

 private:
  struct Item {
    std::int64_t at;
    std::uint64_t order;
    Event event;
  };
  static bool later(const Item& a, const Item& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }
  std::vector<Item> heap_;
  std::uint64_t next_ = 0;
};

/// A running hash of everything that happened: equal for two runs of a seed, or the simulation is not
/// deterministic.
class Digest {
 public:
  void add(std::uint64_t value) { state_ = (state_ ^ value) * 0x9e3779b97f4a7c15 + (state_ >> 29); }
  [[nodiscard]] std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3;
};

}  // namespace flashstor::sim
