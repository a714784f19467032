#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// \file
/// The inner loops, in the form that this processor runs best. Codes are bytes with 128 for zero, a
/// query's code is signed; their product counts each dimension `(row + 128) * query`, so who wants
/// the plain product takes 128 times the sum of the query away. Lengths are multiples of 64 (what
/// is padded has 128 and 0), rows lie at multiples of their length.

namespace lakehouse::vector::simd {

/// Queries that are scored together in one tile of the batch kernel.
inline constexpr std::size_t kTileQueries = 13;
/// Rows that the batch kernel scores together.
inline constexpr std::size_t kTileRows = 32;

struct Kernels {
  std::string_view name;
  /// The products of one query with the rows named, in their order.
  void (*dots)(const std::uint8_t* codes, std::size_t length, const std::uint32_t* rows,
               std::size_t count, const std::int8_t* query, std::int32_t* out);
  /// The products of one query with rows that follow each other.
  void (*dots_in_order)(const std::uint8_t* codes, std::size_t length, std::size_t count,
                        const std::int8_t* query, std::int32_t* out);
  /// Rows into the order that `tile` reads: `packed` takes kTileRows * length bytes.
  void (*pack)(const std::uint8_t* codes, std::size_t length, std::uint8_t* packed);
  /// The products of kTileRows packed rows with kTileQueries packed queries (`pack_queries`), as
  /// out[query][row].
  void (*tile)(const std::uint8_t* packed, std::size_t length, const std::int8_t* queries,
               std::int32_t* out);
  /// Places among `count` (a multiple of 16) numbers that are at least `least`, ascending; their
  /// number.
  std::size_t (*at_least)(const std::int32_t* values, std::size_t count, std::int32_t least,
                          std::uint32_t* places);
  /// Queries from which on tiles are quicker than one query after the other.
  std::size_t batch_from;
  float (*dot)(const float* a, const float* b, std::size_t count);
};

/// The fastest that this processor has.
const Kernels& kernels();
/// All that this processor has, the slowest first; for tests.
std::span<const Kernels* const> all_kernels();

/// Lays kTileQueries codes of `length` bytes out for `Kernels::tile`; `packed` takes as many bytes.
void pack_queries(const std::int8_t* const* queries, std::size_t length, std::int8_t* packed);

// Private to this folder: null where the compiler's target has no such instructions.
extern const Kernels kScalar;
extern const Kernels* const kAvx2;
extern const Kernels* const kAvx512;

}  // namespace lakehouse::vector::simd
