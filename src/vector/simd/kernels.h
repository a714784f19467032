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

/// Queries that a sieve takes together.
inline constexpr std::size_t kTileQueries = 13;
/// Rows that a sieve takes together.
inline constexpr std::size_t kTileRows = 32;

struct Kernels {
  std::string_view name;
  /// The products of one query with the rows named, in their order. `next` rows are named behind
  /// them that will be asked for then: they are fetched meanwhile.
  void (*dots)(const std::uint8_t* codes, std::size_t length, const std::uint32_t* rows,
               std::size_t count, const std::int8_t* query, std::int32_t* out, std::size_t next);
  /// The products of one query with rows that follow each other.
  void (*dots_in_order)(const std::uint8_t* codes, std::size_t length, std::size_t count,
                        const std::int8_t* query, std::int32_t* out);
  /// Rows into the order that sieves read: `packed` takes kTileRows * length bytes. Four bytes of
  /// each of 16 rows, then the next four of each, and so on; then the other 16 rows. The same on
  /// every processor.
  void (*pack)(const std::uint8_t* codes, std::size_t length, std::uint8_t* packed);
  /// Which products of kTileRows packed rows with each of kTileQueries packed queries
  /// (`pack_queries`) are at least the query's bound: a bit for each row, the first one lowest.
  /// The queries' masks are `step` apart.
  void (*sieve)(const std::uint8_t* packed, std::size_t length, const std::int8_t* queries,
                const std::int32_t* least, std::uint32_t* masks, std::size_t step);
  /// The same for one query (as it is) and tiles that follow each other: a mask for each.
  void (*sieve_one)(const std::uint8_t* packed, std::size_t length, std::size_t tiles,
                    const std::int8_t* query, std::int32_t least, std::uint32_t* masks);
  /// The rows, from `first` on, that tiles' masks name, ascending; their number. `rows` has place
  /// for 16 more.
  std::size_t (*rows_of)(const std::uint32_t* masks, std::size_t tiles, std::uint32_t first,
                         std::uint32_t* rows);
  /// Of `count` rows and their values those whose value is at least `least`, in their order; their
  /// number. What they go to has place for 16 more, and may be the same or lie before it.
  std::size_t (*keep)(const std::uint32_t* rows, const std::int32_t* values, std::size_t count,
                      std::int32_t least, std::uint32_t* kept_rows, std::int32_t* kept_values);
  /// Places among `count` (a multiple of 16) numbers that are at least `least`, ascending; their
  /// number.
  std::size_t (*at_least)(const std::int32_t* values, std::size_t count, std::int32_t least,
                          std::uint32_t* places);
  /// Queries from which on a sieve of all is quicker than one query after the other.
  std::size_t batch_from;
  float (*dot)(const float* a, const float* b, std::size_t count);
  /// The products of `a` with `vectors` that follow each other, `count` numbers each.
  void (*project)(const float* vectors, std::size_t count, std::size_t number, const float* a,
                  float* out);
  /// Hadamard's transform, of a power of two of at least 16 numbers; the same bits everywhere.
  void (*hadamard)(float* values, std::size_t count);
};

/// The fastest that this processor has.
const Kernels& kernels();
/// All that this processor has, the slowest first; for tests.
std::span<const Kernels* const> all_kernels();

/// Lays kTileQueries codes of `length` bytes out for `Kernels::sieve`; `packed` takes as many
/// bytes.
void pack_queries(const std::int8_t* const* queries, std::size_t length, std::int8_t* packed);

/// `Kernels::pack`, `hadamard`, `rows_of` and `keep` on any processor.
std::size_t rows_of(const std::uint32_t* masks, std::size_t tiles, std::uint32_t first,
                    std::uint32_t* rows);
std::size_t keep(const std::uint32_t* rows, const std::int32_t* values, std::size_t count,
                 std::int32_t least, std::uint32_t* kept_rows, std::int32_t* kept_values);
void pack_rows(const std::uint8_t* codes, std::size_t length, std::uint8_t* packed);
void hadamard_from(float* values, std::size_t count, std::size_t half);

// Private to this folder: null where the compiler's target has no such instructions.
extern const Kernels kScalar;
extern const Kernels* const kAvx2;
extern const Kernels* const kAvx512;

}  // namespace lakehouse::vector::simd
