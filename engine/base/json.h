#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/error.h"

namespace flashstor::base {

struct JsonMember;

/// What bounds the parsing of JSON from outside.
struct JsonLimits {
  std::size_t bytes = 4 * 1024 * 1024;
  std::size_t depth = 64;
};

/// One JSON value, owned. Members of an object keep the order in which they were set or read. Reading is
/// total: `at` and `get` on the wrong kind of value or a missing member give null, so a chain of them needs
/// one check at its end. Threads: as a std::string.  Source: RFC 8259; RapidJSON parses, behind json.cc.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<JsonMember>;

  // NOLINTBEGIN(google-explicit-constructor): a value reads as what it holds.
  Json();
  Json(std::nullptr_t);
  Json(bool value);
  Json(double value);
  Json(std::string value);
  Json(std::string_view value);
  Json(const char* value);
  template <std::signed_integral T>
  Json(T value) : Json(Signed{}, value) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  Json(T value) : Json(Unsigned{}, value) {}
  // NOLINTEND(google-explicit-constructor)
  explicit Json(Array items);
  /// Names must differ.
  explicit Json(Object members);
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  /// `{}` or `{"a": 1, …}`; a name given twice keeps its last value.
  static Json object(std::initializer_list<JsonMember> members = {});
  /// `[]` or `[1, …]`.
  static Json array(std::initializer_list<Json> items = {});
  /// A whole document. Errors: kMalformed (with the offset) for bad syntax, bad UTF-8, a member named twice,
  /// or more than the limits allow.
  static Result<Json> parse(std::string_view text, JsonLimits limits = {});

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(value_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(value_); }
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(value_); }
  [[nodiscard]] bool is_bool() const { return std::holds_alternative<bool>(value_); }
  /// An integer or a fraction.
  [[nodiscard]] bool is_number() const;

  [[nodiscard]] std::optional<bool> as_bool() const;
  /// Empty when it is not a whole number, or does not fit.
  [[nodiscard]] std::optional<std::int64_t> as_int() const;
  [[nodiscard]] std::optional<std::uint64_t> as_uint() const;
  [[nodiscard]] std::optional<double> as_double() const;
  /// nullptr when it is not a string. Lives as long as this value.
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&value_); }

  /// The member, or nullptr when there is none or this is no object. Lives until this value changes.
  [[nodiscard]] const Json* find(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  /// The member, or a null that lives for ever.
  [[nodiscard]] const Json& get(std::string_view name) const;
  /// Item `index` of an array, or a null that lives for ever.
  [[nodiscard]] const Json& at(std::size_t index) const;
  /// Items of an array or members of an object; 0 for everything else.
  [[nodiscard]] std::size_t size() const;
  /// Items in order; empty when this is no array.
  [[nodiscard]] const Array& items() const;
  /// Members in order; empty when this is no object.
  [[nodiscard]] const Object& members() const;

  /// The member as its type, or `otherwise` when it is missing or of another type.
  [[nodiscard]] std::string string_or(std::string_view name, std::string_view otherwise = {}) const;
  [[nodiscard]] std::int64_t int_or(std::string_view name, std::int64_t otherwise = 0) const;
  [[nodiscard]] std::uint64_t uint_or(std::string_view name, std::uint64_t otherwise = 0) const;
  [[nodiscard]] double double_or(std::string_view name, double otherwise = 0) const;
  [[nodiscard]] bool bool_or(std::string_view name, bool otherwise = false) const;
  /// The member as a string. Errors: kMalformed, naming it.
  [[nodiscard]] Result<std::string> need_string(std::string_view name) const;

  /// Sets a member, in its old place when there is one; a null becomes an object first. Checked: not on other
  /// kinds.
  Json& set(std::string_view name, Json value);
  /// Removes a member; false when it was not there.
  bool remove(std::string_view name);
  /// Appends an item; a null becomes an array first. Checked: not on other kinds.
  Json& push(Json value);

  /// One line, no spaces.
  [[nodiscard]] std::string dump() const;
  /// Two spaces a level.
  [[nodiscard]] std::string pretty() const;

  /// Same kind and content; members in any order. 1 and 1u are equal, 1 and 1.0 are not.
  friend bool operator==(const Json& left, const Json& right);

 private:
  struct Signed {};
  struct Unsigned {};
  Json(Signed, std::int64_t value);
  Json(Unsigned, std::uint64_t value);
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object> value_;
};

/// One name and value of an object.
struct JsonMember {
  std::string name;
  Json value;
};

}  // namespace flashstor::base

namespace flashstor {
using base::Json;
using base::JsonMember;
}  // namespace flashstor
