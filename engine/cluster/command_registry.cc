#include "engine/base/check.h"
#include "engine/cluster/set_api.h"

namespace flashstor::cluster {

void CommandRegistry::add_planner(CommandKind kind, Planner planner) {
  FLASHSTOR_CHECK(planners_.emplace(kind, std::move(planner)).second);
}

void CommandRegistry::add_query(CommandKind kind, QueryHandler handler) {
  FLASHSTOR_CHECK(queries_.emplace(kind, std::move(handler)).second);
}

const Planner* CommandRegistry::planner(CommandKind kind) const {
  const auto found = planners_.find(kind);
  return found == planners_.end() ? nullptr : &found->second;
}

const QueryHandler* CommandRegistry::query(CommandKind kind) const {
  const auto found = queries_.find(kind);
  return found == queries_.end() ? nullptr : &found->second;
}

}  // namespace flashstor::cluster
