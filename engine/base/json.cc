#include "engine/base/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "engine/base/check.h"
#include "engine/base/utf8.h"

namespace flashstor::base {
namespace {

const Json& null_json() {
  static const Json null;
  return null;
}

rapidjson::SizeType length_of(const std::string& text) {
  return static_cast<rapidjson::SizeType>(text.size());
}

bool has_duplicate(const Json::Object& members) {
  std::vector<std::string_view> names;
  names.reserve(members.size());
  for (const JsonMember& member : members) names.push_back(member.name);
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) != names.end();
}

template <class T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Of a number that no double can hold: whether it is too close to zero (and not too large).
bool is_tiny(std::string_view text) {
  const std::size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) return text.substr(exponent + 1).starts_with('-');
  return text.starts_with("0.") || text.starts_with("-0.");
}

/// RapidJSON's events in, one Json out. `open_` holds the arrays and objects not yet closed.
class Builder {
 public:
  explicit Builder(std::size_t max_depth) : max_depth_(max_depth) {}
  bool Null() { return put(Json()); }
  bool Bool(bool value) { return put(Json(value)); }
  // Numbers come as text (RawNumber): RapidJSON 1.1's own exact conversion reads out of bounds for numbers
  // with huge negative exponents, which anybody may send.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view number(text, size);
    if (const auto whole = whole_number<std::int64_t>(number)) return put(Json(*whole));
    if (const auto large = whole_number<std::uint64_t>(number)) return put(Json(*large));
    double value = 0;
    const auto [end, error] = std::from_chars(text, text + size, value);
    // Below the smallest double is zero; above the largest RapidJSON has refused already, or we do.
    if (error == std::errc::result_out_of_range && is_tiny(number)) return put(Json(0.0));
    if (error != std::errc() || end != text + size) return refuse("a number is too big");
    return put(Json(value));
  }
  bool String(const char* text, rapidjson::SizeType size, bool) { return put(Json(std::string(text, size))); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    open_.back().members.push_back({std::string(text, size), Json()});
    return true;
  }
  bool StartObject() { return open(true); }
  bool StartArray() { return open(false); }
  bool EndObject(rapidjson::SizeType) {
    Level level = close();
    if (has_duplicate(level.members)) return refuse("a member is named twice");
    return put(Json(std::move(level.members)));
  }
  bool EndArray(rapidjson::SizeType) { return put(Json(close().items)); }
  Json take() { return std::move(root_); }
  [[nodiscard]] const std::string& refusal() const { return refusal_; }

 private:
  struct Level {
    bool is_object = false;
    Json::Object members;  // The last one waits for its value.
    Json::Array items;
  };
  bool open(bool is_object) {
    if (open_.size() >= max_depth_) return refuse("nested too deeply");
    open_.push_back({is_object, {}, {}});
    return true;
  }
  Level close() {
    Level level = std::move(open_.back());
    open_.pop_back();
    return level;
  }
  bool put(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().members.back().value = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }
  bool refuse(std::string why) {
    refusal_ = std::move(why);
    return false;
  }
  std::size_t max_depth_;
  std::vector<Level> open_;
  Json root_;
  std::string refusal_;
};

template <class Writer>
void write_number(Writer& writer, const Json& value) {
  if (const auto whole = value.as_int()) {
    writer.Int64(*whole);
  } else if (const auto large = value.as_uint()) {
    writer.Uint64(*large);
  } else if (const double fraction = *value.as_double(); std::isfinite(fraction)) {
    writer.Double(fraction);
  } else {
    writer.Null();  // JSON has no infinity.
  }
}

// JSON is UTF-8, whatever bytes a name or a path holds (RFC 8259, 8.1).
template <class Write>
void write_text(const std::string& text, Write write) {
  const bool plain = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  const std::string repaired = plain ? std::string() : base::utf8_repaired(text);
  const std::string& out = plain ? text : repaired;
  write(out.data(), length_of(out));
}

template <class Writer>
void write(Writer& writer, const Json& value) {
  const auto string = [&](const char* data, rapidjson::SizeType size) { writer.String(data, size); };
  if (const std::string* text = value.as_string()) {
    write_text(*text, string);
  } else if (const auto flag = value.as_bool()) {
    writer.Bool(*flag);
  } else if (value.is_number()) {
    write_number(writer, value);
  } else if (value.is_object()) {
    writer.StartObject();
    for (const JsonMember& member : value.members()) {
      write_text(member.name, [&](const char* data, rapidjson::SizeType size) { writer.Key(data, size); });
      write(writer, member.value);
    }
    writer.EndObject();
  } else if (value.is_array()) {
    writer.StartArray();
    for (const Json& item : value.items()) write(writer, item);
    writer.EndArray();
  } else {
    writer.Null();
  }
}

}  // namespace

Json::Json() = default;
Json::Json(std::nullptr_t) {}
Json::Json(bool value) : value_(value) {}
Json::Json(double value) : value_(value) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(Array items) : value_(std::move(items)) {}
Json::Json(Object members) : value_(std::move(members)) {}
Json::Json(Signed, std::int64_t value) : value_(value) {}
Json::Json(Unsigned, std::uint64_t value) : value_(value) {}
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

Json Json::object(std::initializer_list<JsonMember> members) {
  Json result{Object()};
  for (const JsonMember& member : members) result.set(member.name, member.value);
  return result;
}

Json Json::array(std::initializer_list<Json> items) { return Json(Array(items)); }

Result<Json> Json::parse(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.bytes) return fail(ErrorCode::kMalformed, "JSON is larger than allowed");
  Builder builder(limits.depth);
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  constexpr unsigned kFlags = rapidjson::kParseValidateEncodingFlag | rapidjson::kParseIterativeFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  const rapidjson::ParseResult parsed = reader.Parse<kFlags>(stream, builder);
  if (!parsed) {
    std::string why = builder.refusal();
    if (why.empty()) why = rapidjson::GetParseError_En(parsed.Code());
    return fail(ErrorCode::kMalformed, "JSON at byte " + std::to_string(parsed.Offset()) + ": " + why);
  }
  return builder.take();
}

bool Json::is_number() const {
  return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<std::uint64_t>(value_) ||
         std::holds_alternative<double>(value_);
}

std::optional<bool> Json::as_bool() const {
  if (const bool* value = std::get_if<bool>(&value_)) return *value;
  return std::nullopt;
}

std::optional<std::int64_t> Json::as_int() const {
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return *value;
  if (const auto* value = std::get_if<std::uint64_t>(&value_); value && std::in_range<std::int64_t>(*value))
    return static_cast<std::int64_t>(*value);
  return std::nullopt;
}

std::optional<std::uint64_t> Json::as_uint() const {
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_); value && *value >= 0)
    return static_cast<std::uint64_t>(*value);
  return std::nullopt;
}

std::optional<double> Json::as_double() const {
  if (const double* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*value);
  return std::nullopt;
}

const Json* Json::find(std::string_view name) const {
  for (const JsonMember& member : members())
    if (member.name == name) return &member.value;
  return nullptr;
}

const Json& Json::get(std::string_view name) const {
  const Json* member = find(name);
  return member ? *member : null_json();
}

const Json& Json::at(std::size_t index) const {
  const Array& all = items();
  return index < all.size() ? all[index] : null_json();
}

std::size_t Json::size() const { return is_object() ? members().size() : items().size(); }

const Json::Array& Json::items() const {
  static const Array none;
  const Array* all = std::get_if<Array>(&value_);
  return all ? *all : none;
}

const Json::Object& Json::members() const {
  static const Object none;
  const Object* all = std::get_if<Object>(&value_);
  return all ? *all : none;
}

std::string Json::string_or(std::string_view name, std::string_view otherwise) const {
  const std::string* value = get(name).as_string();
  return value ? *value : std::string(otherwise);
}

std::int64_t Json::int_or(std::string_view name, std::int64_t otherwise) const {
  return get(name).as_int().value_or(otherwise);
}

std::uint64_t Json::uint_or(std::string_view name, std::uint64_t otherwise) const {
  return get(name).as_uint().value_or(otherwise);
}

double Json::double_or(std::string_view name, double otherwise) const {
  return get(name).as_double().value_or(otherwise);
}

bool Json::bool_or(std::string_view name, bool otherwise) const {
  return get(name).as_bool().value_or(otherwise);
}

Result<std::string> Json::need_string(std::string_view name) const {
  const std::string* value = get(name).as_string();
  if (!value) return fail(ErrorCode::kMalformed, "JSON: \"" + std::string(name) + "\" must be a string");
  return *value;
}

Json& Json::set(std::string_view name, Json value) {
  if (is_null()) value_ = Object();
  FLASHSTOR_CHECK(is_object());
  Object& all = std::get<Object>(value_);
  for (JsonMember& member : all) {
    if (member.name == name) {
      member.value = std::move(value);
      return *this;
    }
  }
  all.push_back({std::string(name), std::move(value)});
  return *this;
}

bool Json::remove(std::string_view name) {
  Object* all = std::get_if<Object>(&value_);
  return all && std::erase_if(*all, [&](const JsonMember& member) { return member.name == name; }) > 0;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array();
  FLASHSTOR_CHECK(is_array());
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

std::string Json::dump() const {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  write(writer, *this);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string Json::pretty() const {
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
  writer.SetIndent(' ', 2);
  write(writer, *this);
  return {buffer.GetString(), buffer.GetSize()};
}

bool operator==(const Json& left, const Json& right) {
  if (left.is_object() && right.is_object()) {
    return left.size() == right.size() && std::ranges::all_of(left.members(), [&](const JsonMember& member) {
             const Json* other = right.find(member.name);
             return other && *other == member.value;
           });
  }
  if (left.is_array() && right.is_array()) return left.items() == right.items();
  if (const auto whole = left.as_int()) return right.as_int() == whole;
  if (const auto large = left.as_uint()) return right.as_uint() == large;
  if (left.value_.index() != right.value_.index()) return false;
  if (left.is_null()) return true;
  if (const std::string* text = left.as_string()) return *text == *right.as_string();
  if (const auto flag = left.as_bool()) return flag == right.as_bool();
  return left.is_number() && left.as_double() == right.as_double();
}

}  // namespace flashstor::base
