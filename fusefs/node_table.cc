#include "fusefs/node_table.h"

#include <algorithm>

#include "engine/base/check.h"

namespace flashstor::fusefs {

NodeTable::NodeTable(files::InodeId root, NodeId first) : next_(first) {
  Node node;
  node.inode = root;
  node.references = 1;
  nodes_.emplace(kRootNode, std::move(node));
  by_inode_.emplace(root, kRootNode);
}

NodeId NodeTable::remember(NodeId parent, const std::string& name, const files::Attributes& attributes) {
  const Name key{parent, name};
  NodeId node = 0;
  if (const auto known = by_inode_.find(attributes.inode); known != by_inode_.end()) {
    node = known->second;
  } else {
    node = next_++;
    Node fresh;
    fresh.inode = attributes.inode;
    nodes_.emplace(node, std::move(fresh));
    by_inode_.emplace(attributes.inode, node);
  }
  if (const auto named = by_name_.find(key); named == by_name_.end() || named->second != node) {
    if (named != by_name_.end()) unbind(key);  // another inode took the name, through another door
    if (node != kRootNode) bind(node, key);
  }
  ++nodes_.at(node).references;
  return node;
}

void NodeTable::forget(NodeId node, std::uint64_t count) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || node == kRootNode) return;
  found->second.references -= std::min(count, found->second.references);
  drop_if_unused(node);
}

void NodeTable::bind(NodeId node, Name name) {
  ++nodes_.at(name.parent).children;
  nodes_.at(node).names.push_back(name);
  by_name_.insert_or_assign(std::move(name), node);
}

void NodeTable::unbind(const Name& name) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  const NodeId node = found->second;
  const NodeId parent = found->first.parent;
  Node& held = nodes_.at(node);
  if (held.names.size() == 1) held.last_path = full_path(node);
  std::erase(held.names, found->first);
  by_name_.erase(found);
  --nodes_.at(parent).children;
  drop_if_unused(node);
  drop_if_unused(parent);
}

void NodeTable::drop_if_unused(NodeId node) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || node == kRootNode) return;
  if (found->second.references > 0 || found->second.children > 0) return;
  by_inode_.erase(found->second.inode);
  const std::vector<Name> names = std::move(found->second.names);
  nodes_.erase(found);
  for (const Name& name : names) {
    by_name_.erase(name);
    --nodes_.at(name.parent).children;
    drop_if_unused(name.parent);
  }
}

std::string NodeTable::full_path(NodeId node) const {
  std::vector<const std::string*> parts;
  const Node* at = &nodes_.at(node);
  for (std::size_t depth = 0; !at->names.empty(); ++depth) {
    FLASHSTOR_CHECK(depth < 4096);  // a path is at most 4096 bytes, so deeper means a loop
    parts.push_back(&at->names.back().name);
    at = &nodes_.at(at->names.back().parent);
  }
  std::string path = at->last_path;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!path.empty()) path.push_back('/');
    path.append(**part);
  }
  return path;
}

files::FileRef NodeTable::ref(NodeId node) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return {};
  return {full_path(node), found->second.inode};
}

NodeId NodeTable::child(NodeId parent, const std::string& name) const {
  const auto found = by_name_.find(Name{parent, name});
  return found == by_name_.end() ? 0 : found->second;
}

void NodeTable::renamed(NodeId parent, const std::string& name, NodeId to_parent, const std::string& to_name,
                        bool exchange) {
  const NodeId moved = child(parent, name);
  const NodeId replaced = child(to_parent, to_name);
  // Held for the moment, so that losing the only name does not drop them.
  for (const NodeId node : {moved, replaced})
    if (node != 0) ++nodes_.at(node).references;
  unbind({parent, name});
  unbind({to_parent, to_name});
  if (moved != 0) bind(moved, {to_parent, to_name});
  if (exchange && replaced != 0) bind(replaced, {parent, name});
  for (const NodeId node : {moved, replaced})
    if (node != 0) forget(node, 1);
}

void NodeTable::removed(NodeId parent, const std::string& name) { unbind({parent, name}); }

bool NodeTable::same_bytes(NodeId node, std::uint64_t revision) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return false;
  return std::exchange(found->second.revision, revision) == revision;
}

bool NodeTable::same_look(NodeId node, std::uint64_t revision) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return false;
  return std::exchange(found->second.told, revision) == revision;
}

}  // namespace flashstor::fusefs
