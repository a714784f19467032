#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace lakehouse::ai {

/// A GBNF grammar of the JSON texts that a schema describes, for models that this server runs.
///
/// Known: type (one or several), properties (in their order; those not in `required` may be left
/// out), items, minItems, maxItems, enum, const, anyOf and oneOf, minLength and maxLength, local
/// $ref into $defs; `additionalProperties` counts as false. Whole numbers have up to 18 digits.
/// InvalidArgument for what is no schema, Unimplemented, naming it, for a keyword that restricts
/// and is not known: it would be silently broken otherwise.
Result<std::string> grammar_of_json_schema(std::string_view schema);

/// InvalidArgument for a grammar that is too long or nested too deep to be given to a parser.
Status check_grammar(std::string_view grammar);

}  // namespace lakehouse::ai
