#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "iceberg/expression.h"
#include "iceberg/manifest.h"
#include "iceberg/table_metadata.h"

namespace lakehouse::iceberg::detail {

/// What may occur in a column of some rows.
struct ValueRange {
  bool may_be_null = true;
  bool may_be_nan = true;
  bool may_be_value = true;      ///< Anything but null and NaN.
  std::optional<Literal> lower;  ///< Of the values that are not NaN; nothing if not known.
  std::optional<Literal> upper;
};

/// How many rows of a set satisfy something.
enum class Verdict : std::uint8_t { Never, Sometimes, Always };

/// What is known of `op` for rows of the range. SQL's order: -0.0 equals 0.0, NaN is above all.
Verdict verdict(CompareOp op, const std::vector<Literal>& values, const ValueRange& range);

/// A filter made ready for a table: the columns looked up, and what each spec's partition tuples
/// tell of its predicates kept. Not thread-safe; outlived by what it is made from.
class Pruner {
 public:
  Pruner(const TableMetadata& metadata, const Schema& schema, const Expression& filter);
  /// By column metrics alone.
  Pruner(const Schema& schema, const Expression& filter);

  /// False if no file of the manifest can hold a matching row.
  bool may_match(const ManifestFile& manifest);
  /// False if the file cannot.
  bool may_match(const DataFile& file);
  /// What the file's rows must still be asked; nothing: the whole filter.
  std::optional<Expression> residual(const DataFile& file);

 private:
  struct Test {
    CompareOp op = CompareOp::Eq;
    std::vector<Literal> values;
  };
  /// What a partition field tells of a predicate: it never holds where `never` never does, and
  /// always holds where `always` always does.
  struct Evidence {
    std::size_t index = 0;
    TypePtr type;
    Transform transform;  ///< To be applied to the partition's value first.
    Transform made_by;    ///< What made the partition's value, if its quirks matter.
    std::optional<Test> never;
    std::optional<Test> always;
  };
  /// The filter, with the places of its predicates in `leaves_`.
  struct Node {
    Expression::Kind kind = Expression::Kind::True;
    std::size_t leaf = 0;
    std::vector<Node> parts;
  };
  struct Leaf {
    const Predicate* predicate = nullptr;
    const NestedField* column = nullptr;  ///< Null if unknown, nested or of another type.
  };
  using EvidenceByLeaf = std::vector<std::vector<Evidence>>;

  Node add(const Expression& expression);
  void find_column(Leaf& leaf, std::initializer_list<const Schema*> schemas) const;
  const EvidenceByLeaf& evidence(std::int32_t spec_id);
  static std::optional<Evidence> evidence_of(const Leaf& leaf, const PartitionField& field,
                                             const TypePtr& type);
  static void project(const Leaf& leaf, const PartitionField& field, Evidence& out);
  static Verdict judge(const Evidence& evidence, ValueRange range);
  Verdict of_leaf(std::size_t leaf, const DataFile& file, const EvidenceByLeaf& evidence) const;
  static Verdict of_metrics(const Leaf& leaf, const DataFile& file);
  template <class OfLeaf>
  static Verdict evaluate(const Node& node, const OfLeaf& of_leaf);
  template <class OfLeaf>
  static Expression reduced(const Node& node, const std::vector<Leaf>& leaves,
                            const OfLeaf& of_leaf, bool& changed);

  const TableMetadata* metadata_;
  std::vector<Leaf> leaves_;
  Node root_;
  std::unordered_map<std::int32_t, EvidenceByLeaf> by_spec_;
};

}  // namespace lakehouse::iceberg::detail
