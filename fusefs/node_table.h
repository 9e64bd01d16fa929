#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/files/file_store.h"

namespace flashstor::fusefs {

/// The kernel's number for a file that it knows; 1 is the root.
using NodeId = std::uint64_t;
inline constexpr NodeId kRootNode = 1;

/// What the kernel was told and has not forgotten yet: which inode each number stands for, and under which
/// names. Bounded by the kernel's own cache; a directory's new name moves all below it without touching them.
class NodeTable {
 public:
  /// Numbers are given from `first` on: those of another mount are not known here when the ranges are apart.
  explicit NodeTable(files::InodeId root, NodeId first = kRootNode + 1);

  /// One more reference of the kernel to what `name` in `parent` is now. Gives its number, the same for every
  /// name of one inode.
  NodeId remember(NodeId parent, const std::string& name, const files::Attributes& attributes);
  /// The kernel dropped `count` references; a node without any is gone.
  void forget(NodeId node, std::uint64_t count);
  /// Where the node is now; an empty path for the root. A node whose names are all gone keeps its last path.
  [[nodiscard]] files::FileRef ref(NodeId node) const;
  [[nodiscard]] std::string path(NodeId node) const { return ref(node).path; }
  [[nodiscard]] bool knows(NodeId node) const { return nodes_.contains(node); }
  /// The number of what the kernel knows as `name` in `parent`, or 0.
  [[nodiscard]] NodeId child(NodeId parent, const std::string& name) const;

  void renamed(NodeId parent, const std::string& name, NodeId to_parent, const std::string& to_name,
               bool exchange);
  void removed(NodeId parent, const std::string& name);

  /// True when the file's bytes are those of the last time this was asked (and remembers these): cached pages
  /// may stay.
  bool same_bytes(NodeId node, std::uint64_t revision);
  /// The same of what the kernel was told that the file looks like.
  bool same_look(NodeId node, std::uint64_t revision);
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }

 private:
  struct Name {
    NodeId parent = 0;
    std::string name;
    bool operator==(const Name&) const = default;
  };
  struct NameHash {
    std::size_t operator()(const Name& name) const noexcept {
      return std::hash<std::string>()(name.name) ^ (name.parent * 0x9e3779b97f4a7c15);
    }
  };
  struct Node {
    files::InodeId inode;
    std::vector<Name> names;  ///< Empty for the root, and once unlinked.
    std::string last_path;    ///< Of an unlinked node.
    std::uint64_t references = 0;
    std::uint64_t children = 0;  ///< Names that have this node as parent: it stays while there are any.
    std::uint64_t revision = ~std::uint64_t{0};
    std::uint64_t told = ~std::uint64_t{0};
  };
  void bind(NodeId node, Name name);
  void unbind(const Name& name);
  void drop_if_unused(NodeId node);
  [[nodiscard]] std::string full_path(NodeId node) const;

  std::unordered_map<NodeId, Node> nodes_;
  std::unordered_map<files::InodeId, NodeId> by_inode_;
  std::unordered_map<Name, NodeId, NameHash> by_name_;
  NodeId next_;
};

}  // namespace flashstor::fusefs
