#include "query/column_names.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "query/tree.h"
#include "query/tree_members.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

/// More in one statement keep the names that they get.
constexpr std::size_t kItemsMax = 200;

struct Contents {
  bool has_subquery = false;
  bool expands = false;  ///< Into several columns: an alias would be all their names.
};

void look_into(const json::value& at, Contents& out) {
  if (const json::array* list = at.if_array()) {
    for (const json::value& entry : *list) {
      look_into(entry, out);
    }
    return;
  }
  const json::object* node = at.if_object();
  if (node == nullptr) {
    return;
  }
  const std::string_view kind = text_of(*node, "class");
  if (kind == "SUBQUERY") {
    out.has_subquery = true;
    return;
  }
  out.expands = out.expands || kind == "STAR" ||
                (kind == "FUNCTION" && text_of(*node, "function_name") == "unnest");
  for (const auto& field : *node) {
    look_into(field.value(), out);
  }
}

void find_items(json::value& at, std::vector<json::object*>& out) {
  if (json::array* list = at.if_array()) {
    for (json::value& entry : *list) {
      find_items(entry, out);
    }
    return;
  }
  json::object* node = at.if_object();
  if (node == nullptr || node->contains("class")) {
    return;  // Names within expressions are nobody's.
  }
  for (auto& field : *node) {
    if (field.key() != "select_list" || !field.value().is_array()) {
      find_items(field.value(), out);
      continue;
    }
    for (json::value& item : field.value().get_array()) {
      Contents contents;
      look_into(item, contents);
      if (item.is_object() && contents.has_subquery && !contents.expands &&
          text_of(item.get_object(), "alias").empty()) {
        out.push_back(&item.get_object());
      }
    }
  }
}

}  // namespace

Status keep_column_names(const RequestContext& context, engine::Engine& engine,
                         boost::json::value& document) {
  std::vector<json::object*> items;
  find_items(document, items);
  if (items.empty() || items.size() > kItemsMax) {
    return {};
  }
  engine::Statement question;
  json::array trees;
  for (const json::object* item : items) {
    question.text.append(fmt::format("{} json_deserialize_sql(${}::VARCHAR::JSON)",
                                     question.text.empty() ? "SELECT" : ",", trees.size() + 1));
    trees.emplace_back(json::serialize(
        tree::statement(tree::select(json::array{json::value(*item)}, tree::empty_table()))));
  }
  question.parameters = std::move(trees);
  LH_ASSIGN_OR_RETURN(const engine::Rows rows, engine.query_rows(context, std::move(question)));
  if (rows.rows.size() != 1 || rows.rows.front().size() != items.size()) {
    return fail(ErrorCode::Internal, "the engine's answer about column names is not understood");
  }
  constexpr std::string_view kSelect = "SELECT ";
  for (std::size_t i = 0; i < items.size(); ++i) {
    const json::value& cell = rows.rows.front()[i];
    const std::string_view text =
        cell.is_string() ? std::string_view(cell.get_string()) : std::string_view();
    if (text.starts_with(kSelect)) {
      (*items[i])["alias"] = text.substr(kSelect.size());
    }
  }
  return {};
}

}  // namespace lakehouse::query
