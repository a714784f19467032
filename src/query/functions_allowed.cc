#include "query/functions_allowed.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

// The functions of DuckDB 1.5.5, each looked at once. By rule a function is refused if it reads
// files, settings, variables, the environment, the engine's catalog or other statements, changes
// the session, waits, or works on the engine's own values; everything else computes from its
// arguments alone and is allowed. A new version's functions are refused until they are listed: a
// test compares the lists with duckdb_functions().

namespace lakehouse::query {
namespace {

enum class Why : std::uint8_t { Files, Session, Statement, Sequence, Wait, Internal, Catalog };

struct Refused {
  std::string_view name;
  Why why;
};

// clang-format off
constexpr std::array kAllowed = std::to_array<std::string_view>({
    "!__postfix", "!~~", "!~~*", "%", "&", "&&", "*", "**", "+", "-", "->>", "/", "//", "<->",
    "<<", "<=>", "<@", ">>", "@", "@>", "^", "^@", "abs", "acos", "acosh", "add", "age",
    "aggregate", "ago", "alias", "any_value", "apply", "approx_count_distinct", "approx_quantile",
    "approx_top_k", "arbitrary", "arg_max", "arg_max_null", "arg_max_nulls_last", "arg_min",
    "arg_min_null", "arg_min_nulls_last", "argmax", "argmin", "array_agg", "array_aggr",
    "array_aggregate", "array_append", "array_apply", "array_cat", "array_concat",
    "array_contains", "array_cosine_distance", "array_cosine_similarity", "array_cross_product",
    "array_distance", "array_distinct", "array_dot_product", "array_extract", "array_filter",
    "array_grade_up", "array_has", "array_has_all", "array_has_any", "array_indexof",
    "array_inner_product", "array_intersect", "array_length", "array_negative_dot_product",
    "array_negative_inner_product", "array_pop_back", "array_pop_front", "array_position",
    "array_prepend", "array_push_back", "array_push_front", "array_reduce", "array_resize",
    "array_reverse", "array_reverse_sort", "array_select", "array_slice", "array_sort",
    "array_to_json", "array_to_string", "array_transform", "array_unique", "array_value",
    "array_where", "array_zip", "ascii", "asin", "asinh", "atan", "atan2", "atanh", "avg", "bar",
    "base64", "bin", "bit_and", "bit_count", "bit_length", "bit_or", "bit_position", "bit_xor",
    "bitstring", "bitstring_agg", "bool_and", "bool_or", "can_cast_implicitly", "cardinality",
    "cbrt", "ceil", "ceiling", "century", "char_length", "character_length", "chr", "concat",
    "concat_ws", "contains", "corr", "cos", "cosh", "cot", "count", "count_if", "count_star",
    "countif", "covar_pop", "covar_samp", "cume_dist", "current_catalog", "current_database",
    "current_date", "current_localtime", "current_localtimestamp", "current_role",
    "current_schema", "current_schemas", "current_user", "damerau_levenshtein", "date_add",
    "date_diff", "date_part", "date_sub", "date_trunc", "datediff", "datepart", "datesub",
    "datetrunc", "day", "dayname", "dayofmonth", "dayofweek", "dayofyear", "days_in_month",
    "decade", "decode", "degrees", "dense_rank", "divide", "editdist3", "element_at", "encode",
    "ends_with", "entropy", "enum_code", "enum_first", "enum_last", "enum_range",
    "enum_range_boundary", "epoch", "epoch_ms", "epoch_ns", "epoch_us", "equi_width_bins", "era",
    "error", "even", "exp", "factorial", "favg", "fdiv", "fill", "filter", "first", "first_value",
    "flatten", "floor", "fmod", "format", "format_bytes", "formatreadabledecimalsize",
    "formatreadablesize", "from_base64", "from_binary", "from_hex", "from_json",
    "from_json_strict", "fsum", "gamma", "gcd", "gen_random_uuid", "generate_series",
    "generate_subscripts", "geomean", "geometric_mean", "get_bit", "get_current_time",
    "get_current_timestamp", "grade_up", "greatest", "greatest_common_divisor", "group_concat",
    "hamming", "hash", "hex", "histogram", "histogram_exact", "hour", "icu_collate_af",
    "icu_collate_am", "icu_collate_ar", "icu_collate_ar_sa", "icu_collate_as", "icu_collate_az",
    "icu_collate_be", "icu_collate_bg", "icu_collate_bn", "icu_collate_bo", "icu_collate_br",
    "icu_collate_bs", "icu_collate_ca", "icu_collate_ceb", "icu_collate_chr", "icu_collate_cs",
    "icu_collate_cy", "icu_collate_da", "icu_collate_de", "icu_collate_de_at", "icu_collate_dsb",
    "icu_collate_dz", "icu_collate_ee", "icu_collate_el", "icu_collate_en", "icu_collate_en_us",
    "icu_collate_eo", "icu_collate_es", "icu_collate_et", "icu_collate_fa", "icu_collate_fa_af",
    "icu_collate_ff", "icu_collate_fi", "icu_collate_fil", "icu_collate_fo", "icu_collate_fr",
    "icu_collate_fr_ca", "icu_collate_fy", "icu_collate_ga", "icu_collate_gl", "icu_collate_gu",
    "icu_collate_ha", "icu_collate_haw", "icu_collate_he", "icu_collate_he_il", "icu_collate_hi",
    "icu_collate_hr", "icu_collate_hsb", "icu_collate_hu", "icu_collate_hy", "icu_collate_id",
    "icu_collate_id_id", "icu_collate_ig", "icu_collate_is", "icu_collate_it", "icu_collate_ja",
    "icu_collate_ka", "icu_collate_kk", "icu_collate_kl", "icu_collate_km", "icu_collate_kn",
    "icu_collate_ko", "icu_collate_kok", "icu_collate_ku", "icu_collate_ky", "icu_collate_lb",
    "icu_collate_lij", "icu_collate_lkt", "icu_collate_ln", "icu_collate_lo", "icu_collate_lt",
    "icu_collate_lv", "icu_collate_mk", "icu_collate_ml", "icu_collate_mn", "icu_collate_mr",
    "icu_collate_ms", "icu_collate_mt", "icu_collate_my", "icu_collate_nb", "icu_collate_nb_no",
    "icu_collate_ne", "icu_collate_nl", "icu_collate_nn", "icu_collate_noaccent",
    "icu_collate_nso", "icu_collate_om", "icu_collate_or", "icu_collate_pa", "icu_collate_pa_in",
    "icu_collate_pl", "icu_collate_ps", "icu_collate_pt", "icu_collate_ro", "icu_collate_ru",
    "icu_collate_sa", "icu_collate_se", "icu_collate_si", "icu_collate_sk", "icu_collate_sl",
    "icu_collate_smn", "icu_collate_sq", "icu_collate_sr", "icu_collate_sr_ba",
    "icu_collate_sr_me", "icu_collate_sr_rs", "icu_collate_st", "icu_collate_sv",
    "icu_collate_sw", "icu_collate_ta", "icu_collate_te", "icu_collate_th", "icu_collate_tk",
    "icu_collate_tn", "icu_collate_to", "icu_collate_tr", "icu_collate_ug", "icu_collate_uk",
    "icu_collate_ur", "icu_collate_uz", "icu_collate_vi", "icu_collate_wae", "icu_collate_wo",
    "icu_collate_xh", "icu_collate_yi", "icu_collate_yo", "icu_collate_yue", "icu_collate_yue_cn",
    "icu_collate_zh", "icu_collate_zh_cn", "icu_collate_zh_hk", "icu_collate_zh_mo",
    "icu_collate_zh_sg", "icu_collate_zh_tw", "icu_collate_zu", "icu_sort_key", "ilike_escape",
    "instr", "is_histogram_other_bin", "isfinite", "isinf", "isnan", "isodow", "isoyear",
    "jaccard", "jaro_similarity", "jaro_winkler_similarity", "json", "json_array",
    "json_array_length", "json_contains", "json_exists", "json_extract", "json_extract_path",
    "json_extract_path_text", "json_extract_string", "json_group_array", "json_group_object",
    "json_group_structure", "json_keys", "json_merge_patch", "json_object", "json_pretty",
    "json_quote", "json_structure", "json_transform", "json_transform_strict", "json_type",
    "json_valid", "json_value", "julian", "kahan_sum", "kurtosis", "kurtosis_pop", "lag", "last",
    "last_day", "last_value", "lcase", "lcm", "lead", "least", "least_common_multiple", "left",
    "left_grapheme", "len", "length", "length_grapheme", "levenshtein", "lgamma", "like_escape",
    "list", "list_aggr", "list_aggregate", "list_any_value", "list_append", "list_apply",
    "list_approx_count_distinct", "list_avg", "list_bit_and", "list_bit_or", "list_bit_xor",
    "list_bool_and", "list_bool_or", "list_cat", "list_concat", "list_contains",
    "list_cosine_distance", "list_cosine_similarity", "list_count", "list_distance",
    "list_distinct", "list_dot_product", "list_element", "list_entropy", "list_extract",
    "list_filter", "list_first", "list_grade_up", "list_has", "list_has_all", "list_has_any",
    "list_histogram", "list_indexof", "list_inner_product", "list_intersect", "list_kurtosis",
    "list_kurtosis_pop", "list_last", "list_mad", "list_max", "list_median", "list_min",
    "list_mode", "list_negative_dot_product", "list_negative_inner_product", "list_pack",
    "list_position", "list_prepend", "list_product", "list_reduce", "list_resize", "list_reverse",
    "list_reverse_sort", "list_select", "list_sem", "list_skewness", "list_slice", "list_sort",
    "list_stddev_pop", "list_stddev_samp", "list_string_agg", "list_sum", "list_transform",
    "list_unique", "list_value", "list_var_pop", "list_var_samp", "list_where", "list_zip",
    "listagg", "ln", "log", "log10", "log2", "lower", "lpad", "ltrim", "mad", "make_date",
    "make_time", "make_timestamp", "make_timestamp_ms", "make_timestamp_ns", "make_timestamptz",
    "map", "map_concat", "map_contains", "map_contains_entry", "map_contains_value",
    "map_entries", "map_extract", "map_extract_value", "map_from_entries", "map_keys",
    "map_values", "max", "max_by", "md5", "md5_number", "md5_number_lower", "md5_number_upper",
    "mean", "median", "microsecond", "millennium", "millisecond", "min", "min_by", "minute",
    "mismatches", "mod", "mode", "month", "monthname", "multiply", "nanosecond", "nextafter",
    "nfc_normalize", "normalized_interval", "not_ilike_escape", "not_like_escape", "now",
    "nth_value", "ntile", "nullif", "octet_length", "ord", "parse_dirname", "parse_dirpath",
    "parse_filename", "parse_formatted_bytes", "parse_path", "percent_rank", "pg_size_pretty",
    "pg_typeof", "pi", "position", "pow", "power", "prefix", "printf", "product", "quantile",
    "quantile_cont", "quantile_disc", "quarter", "radians", "random", "range", "rank",
    "rank_dense", "reduce", "regexp_escape", "regexp_extract", "regexp_extract_all",
    "regexp_full_match", "regexp_matches", "regexp_replace", "regexp_split_to_array",
    "regexp_split_to_table", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2",
    "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "repeat", "replace", "reservoir_quantile",
    "reverse", "right", "right_grapheme", "round", "round_even", "roundbankers", "row",
    "row_number", "row_to_json", "rpad", "rtrim", "second", "sem", "session_user", "set_bit",
    "sha1", "sha256", "sign", "signbit", "sin", "sinh", "skewness", "split", "split_part", "sqrt",
    "st_asbinary", "st_astext", "st_aswkb", "st_aswkt", "st_crs", "st_geomfromwkb",
    "st_intersects_extent", "st_setcrs", "starts_with", "stddev", "stddev_pop", "stddev_samp",
    "str_split", "str_split_regex", "strftime", "string_agg", "string_split",
    "string_split_regex", "string_to_array", "strip_accents", "strlen", "strpos", "strptime",
    "struct_concat", "struct_contains", "struct_extract", "struct_extract_at", "struct_has",
    "struct_indexof", "struct_insert", "struct_keys", "struct_pack", "struct_position",
    "struct_update", "struct_values", "substr", "substring", "substring_grapheme", "subtract",
    "suffix", "sum", "sum_no_overflow", "sumkahan", "switch", "tan", "tanh", "time_bucket",
    "timezone", "timezone_hour", "timezone_minute", "to_base", "to_base64", "to_binary",
    "to_centuries", "to_days", "to_decades", "to_hex", "to_hours", "to_json", "to_microseconds",
    "to_millennia", "to_milliseconds", "to_minutes", "to_months", "to_quarters", "to_seconds",
    "to_timestamp", "to_weeks", "to_years", "today", "transaction_timestamp", "translate", "trim",
    "trunc", "try_strptime", "typeof", "ucase", "unbin", "unhex", "unicode", "union_extract",
    "union_tag", "union_value", "unnest", "unpivot_list", "upper", "url_decode", "url_encode",
    "user", "uuid", "uuid_extract_timestamp", "uuid_extract_version", "uuidv4", "uuidv7",
    "var_pop", "var_samp", "variance", "variant_extract", "variant_typeof", "version", "wavg",
    "week", "weekday", "weekofyear", "weighted_avg", "xor", "year", "yearweek", "|", "||", "~",
    "~~", "~~*", "~~~",
});

constexpr std::array kRefused = std::to_array<Refused>({
    Refused{"__internal_compress_integral_ubigint", Why::Internal},
    Refused{"__internal_compress_integral_uinteger", Why::Internal},
    Refused{"__internal_compress_integral_usmallint", Why::Internal},
    Refused{"__internal_compress_integral_utinyint", Why::Internal},
    Refused{"__internal_compress_string_hugeint", Why::Internal},
    Refused{"__internal_compress_string_ubigint", Why::Internal},
    Refused{"__internal_compress_string_uhugeint", Why::Internal},
    Refused{"__internal_compress_string_uinteger", Why::Internal},
    Refused{"__internal_compress_string_usmallint", Why::Internal},
    Refused{"__internal_compress_string_utinyint", Why::Internal},
    Refused{"__internal_decompress_integral_bigint", Why::Internal},
    Refused{"__internal_decompress_integral_hugeint", Why::Internal},
    Refused{"__internal_decompress_integral_integer", Why::Internal},
    Refused{"__internal_decompress_integral_smallint", Why::Internal},
    Refused{"__internal_decompress_integral_ubigint", Why::Internal},
    Refused{"__internal_decompress_integral_uhugeint", Why::Internal},
    Refused{"__internal_decompress_integral_uinteger", Why::Internal},
    Refused{"__internal_decompress_integral_usmallint", Why::Internal},
    Refused{"__internal_decompress_string", Why::Internal},
    Refused{"array_to_string_comma_default", Why::Internal},
    Refused{"cast_to_type", Why::Internal},
    Refused{"col_description", Why::Catalog},
    Refused{"combine", Why::Internal},
    Refused{"constant_or_null", Why::Internal},
    Refused{"create_sort_key", Why::Internal},
    Refused{"current_connection_id", Why::Session},
    Refused{"current_query", Why::Statement},
    Refused{"current_query_id", Why::Session},
    Refused{"current_setting", Why::Session},
    Refused{"current_transaction_id", Why::Session},
    Refused{"currval", Why::Sequence},
    Refused{"finalize", Why::Internal},
    Refused{"format_pg_type", Why::Catalog},
    Refused{"format_type", Why::Catalog},
    Refused{"get_block_size", Why::Session},
    Refused{"get_type", Why::Internal},
    Refused{"getenv", Why::Session},
    Refused{"getvariable", Why::Session},
    Refused{"has_any_column_privilege", Why::Catalog},
    Refused{"has_column_privilege", Why::Catalog},
    Refused{"has_database_privilege", Why::Catalog},
    Refused{"has_foreign_data_wrapper_privilege", Why::Catalog},
    Refused{"has_function_privilege", Why::Catalog},
    Refused{"has_language_privilege", Why::Catalog},
    Refused{"has_schema_privilege", Why::Catalog},
    Refused{"has_sequence_privilege", Why::Catalog},
    Refused{"has_server_privilege", Why::Catalog},
    Refused{"has_table_privilege", Why::Catalog},
    Refused{"has_tablespace_privilege", Why::Catalog},
    Refused{"in_search_path", Why::Session},
    Refused{"inet_client_addr", Why::Catalog},
    Refused{"inet_client_port", Why::Catalog},
    Refused{"inet_server_addr", Why::Catalog},
    Refused{"inet_server_port", Why::Catalog},
    Refused{"json_deserialize_sql", Why::Statement},
    Refused{"json_execute_serialized_sql", Why::Statement},
    Refused{"json_serialize_plan", Why::Statement},
    Refused{"json_serialize_sql", Why::Statement},
    Refused{"make_type", Why::Internal},
    Refused{"map_to_pg_oid", Why::Internal},
    Refused{"nextval", Why::Sequence},
    Refused{"obj_description", Why::Catalog},
    Refused{"parse_duckdb_log_message", Why::Session},
    Refused{"pg_collation_is_visible", Why::Catalog},
    Refused{"pg_conf_load_time", Why::Catalog},
    Refused{"pg_conversion_is_visible", Why::Catalog},
    Refused{"pg_function_is_visible", Why::Catalog},
    Refused{"pg_get_constraintdef", Why::Catalog},
    Refused{"pg_get_expr", Why::Catalog},
    Refused{"pg_get_viewdef", Why::Catalog},
    Refused{"pg_has_role", Why::Catalog},
    Refused{"pg_is_other_temp_schema", Why::Catalog},
    Refused{"pg_my_temp_schema", Why::Catalog},
    Refused{"pg_opclass_is_visible", Why::Catalog},
    Refused{"pg_operator_is_visible", Why::Catalog},
    Refused{"pg_opfamily_is_visible", Why::Catalog},
    Refused{"pg_postmaster_start_time", Why::Catalog},
    Refused{"pg_sleep", Why::Wait},
    Refused{"pg_table_is_visible", Why::Catalog},
    Refused{"pg_ts_config_is_visible", Why::Catalog},
    Refused{"pg_ts_dict_is_visible", Why::Catalog},
    Refused{"pg_ts_parser_is_visible", Why::Catalog},
    Refused{"pg_ts_template_is_visible", Why::Catalog},
    Refused{"pg_type_is_visible", Why::Catalog},
    Refused{"remap_struct", Why::Internal},
    Refused{"replace_type", Why::Internal},
    Refused{"setseed", Why::Session},
    Refused{"shobj_description", Why::Catalog},
    Refused{"sleep_ms", Why::Wait},
    Refused{"stats", Why::Internal},
    Refused{"timetz_byte_comparable", Why::Internal},
    Refused{"txid_current", Why::Session},
    Refused{"variant_bytes_to_variant", Why::Internal},
    Refused{"variant_normalize", Why::Internal},
    Refused{"variant_to_parquet_variant", Why::Internal},
    Refused{"vector_type", Why::Internal},
    Refused{"write_log", Why::Session},
});

constexpr std::array kTableAllowed = std::to_array<std::string_view>({
    "generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "unnest",
});

constexpr std::array kTableRefused = std::to_array<Refused>({
    Refused{"arrow_scan", Why::Internal},
    Refused{"arrow_scan_dumb", Why::Internal},
    Refused{"check_peg_parser", Why::Session},
    Refused{"checkpoint", Why::Session},
    Refused{"delta_scan", Why::Files},
    Refused{"disable_logging", Why::Session},
    Refused{"disable_peg_parser", Why::Session},
    Refused{"disable_profiling", Why::Session},
    Refused{"duckdb_approx_database_count", Why::Session},
    Refused{"duckdb_columns", Why::Session},
    Refused{"duckdb_connection_count", Why::Session},
    Refused{"duckdb_constraints", Why::Session},
    Refused{"duckdb_coordinate_systems", Why::Session},
    Refused{"duckdb_databases", Why::Session},
    Refused{"duckdb_dependencies", Why::Session},
    Refused{"duckdb_extensions", Why::Session},
    Refused{"duckdb_external_file_cache", Why::Session},
    Refused{"duckdb_functions", Why::Session},
    Refused{"duckdb_indexes", Why::Session},
    Refused{"duckdb_keywords", Why::Session},
    Refused{"duckdb_log_contexts", Why::Session},
    Refused{"duckdb_logs", Why::Session},
    Refused{"duckdb_logs_parsed", Why::Session},
    Refused{"duckdb_memory", Why::Session},
    Refused{"duckdb_optimizers", Why::Session},
    Refused{"duckdb_prepared_statements", Why::Session},
    Refused{"duckdb_profiling_settings", Why::Session},
    Refused{"duckdb_schemas", Why::Session},
    Refused{"duckdb_secret_types", Why::Session},
    Refused{"duckdb_secrets", Why::Session},
    Refused{"duckdb_sequences", Why::Session},
    Refused{"duckdb_settings", Why::Session},
    Refused{"duckdb_table_sample", Why::Session},
    Refused{"duckdb_tables", Why::Session},
    Refused{"duckdb_temporary_files", Why::Session},
    Refused{"duckdb_types", Why::Session},
    Refused{"duckdb_variables", Why::Session},
    Refused{"duckdb_views", Why::Session},
    Refused{"enable_logging", Why::Session},
    Refused{"enable_peg_parser", Why::Session},
    Refused{"enable_profiling", Why::Session},
    Refused{"force_checkpoint", Why::Session},
    Refused{"glob", Why::Files},
    Refused{"histogram", Why::Statement},
    Refused{"histogram_values", Why::Statement},
    Refused{"iceberg_scan", Why::Files},
    Refused{"icu_calendar_names", Why::Session},
    Refused{"json_execute_serialized_sql", Why::Statement},
    Refused{"pandas_scan", Why::Internal},
    Refused{"parquet_bloom_probe", Why::Files},
    Refused{"parquet_file_metadata", Why::Files},
    Refused{"parquet_full_metadata", Why::Files},
    Refused{"parquet_kv_metadata", Why::Files},
    Refused{"parquet_metadata", Why::Files},
    Refused{"parquet_scan", Why::Files},
    Refused{"parquet_schema", Why::Files},
    Refused{"pg_timezone_names", Why::Session},
    Refused{"postgres_query", Why::Files},
    Refused{"pragma_collations", Why::Session},
    Refused{"pragma_database_size", Why::Session},
    Refused{"pragma_metadata_info", Why::Session},
    Refused{"pragma_platform", Why::Session},
    Refused{"pragma_show", Why::Session},
    Refused{"pragma_storage_info", Why::Session},
    Refused{"pragma_table_info", Why::Session},
    Refused{"pragma_user_agent", Why::Session},
    Refused{"pragma_version", Why::Session},
    Refused{"query", Why::Statement},
    Refused{"query_table", Why::Statement},
    Refused{"read_blob", Why::Files},
    Refused{"read_csv", Why::Files},
    Refused{"read_csv_auto", Why::Files},
    Refused{"read_duckdb", Why::Files},
    Refused{"read_json", Why::Files},
    Refused{"read_json_auto", Why::Files},
    Refused{"read_json_objects", Why::Files},
    Refused{"read_json_objects_auto", Why::Files},
    Refused{"read_ndjson", Why::Files},
    Refused{"read_ndjson_auto", Why::Files},
    Refused{"read_ndjson_objects", Why::Files},
    Refused{"read_parquet", Why::Files},
    Refused{"read_text", Why::Files},
    Refused{"read_xlsx", Why::Files},
    Refused{"scan_arrow_ipc", Why::Internal},
    Refused{"seq_scan", Why::Internal},
    Refused{"sniff_csv", Why::Files},
    Refused{"sql_auto_complete", Why::Session},
    Refused{"sqlite_scan", Why::Files},
    Refused{"st_read", Why::Files},
    Refused{"summary", Why::Statement},
    Refused{"test_all_types", Why::Internal},
    Refused{"test_vector_types", Why::Internal},
    Refused{"truncate_duckdb_logs", Why::Session},
    Refused{"which_secret", Why::Session},
});
// clang-format on

std::pair<std::string_view, std::string_view> reason(Why why) {
  switch (why) {
    case Why::Files:
      return {"reads files", "Ingest the file (POST /ingest/file) and name its table."};
    case Why::Session: return {"reads or changes the engine's settings and state", ""};
    case Why::Statement:
      return {"works on other statements or on tables by name", "Write the query itself."};
    case Why::Sequence:
      return {"needs a sequence, which Iceberg does not have",
              "uuid() and row_number() give keys."};
    case Why::Wait: return {"waits", ""};
    case Why::Internal: return {"is for the engine's own use", ""};
    case Why::Catalog:
      return {"reads the engine's own catalog",
              "SHOW ALL TABLES, DESCRIBE and information_schema show the tables."};
  }
  return {"is refused", ""};
}

const Refused* find(std::span<const Refused> list, std::string_view name) {
  const auto found = std::ranges::find(list, name, &Refused::name);
  return found == list.end() ? nullptr : &*found;
}

Status check(std::string_view as_written, std::span<const std::string_view> allowed,
             std::span<const Refused> refused, std::string_view kind) {
  const std::string name = to_lower(as_written);
  if (std::ranges::binary_search(allowed, std::string_view(name))) {
    return {};
  }
  if (const Refused* one = find(refused, name)) {
    const auto [what, hint] = reason(one->why);
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the function {} is not allowed: it {}", name, what),
                std::string(hint));
  }
  const std::vector<std::string> names(allowed.begin(), allowed.end());
  return fail(ErrorCode::InvalidArgument, fmt::format("there is no {} {}", kind, as_written),
              did_you_mean(name, names));
}

}  // namespace

Status check_function(std::string_view name) {
  return check(name, kAllowed, kRefused, "function");
}

Status check_table_function(std::string_view name) {
  return check(name, kTableAllowed, kTableRefused, "table function");
}

bool is_volatile_function(std::string_view name) {
  constexpr auto kVolatile = std::to_array<std::string_view>(
      {"age", "ago", "current_date", "current_localtime", "current_localtimestamp", "current_time",
       "current_timestamp", "gen_random_uuid", "get_current_time", "get_current_timestamp",
       "localtime", "localtimestamp", "now", "random", "today", "transaction_timestamp", "uuid",
       "uuidv4", "uuidv7"});
  return std::ranges::binary_search(kVolatile, name);
}

bool is_known_function(std::string_view name) {
  const std::string lower = to_lower(name);
  return std::ranges::binary_search(kAllowed, std::string_view(lower)) ||
         find(kRefused, lower) != nullptr;
}

bool is_known_table_function(std::string_view name) {
  const std::string lower = to_lower(name);
  return std::ranges::binary_search(kTableAllowed, std::string_view(lower)) ||
         find(kTableRefused, lower) != nullptr;
}

}  // namespace lakehouse::query
