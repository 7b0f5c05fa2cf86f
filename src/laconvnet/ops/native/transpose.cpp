// Matrices turned over: maps from planes to channels last in memory, and back.
//
// The work goes in tiles that fill whole cache lines on both sides; within a tile, squares are turned in registers.

#include "transpose.h"

#include <algorithm>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace {

template <class T>
void turn_part(const T *from, int64_t from_stride, T *to, int64_t to_stride, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) to[c * to_stride + r] = from[r * from_stride + c];
}

// A square of SIDE<T> numbers a side.
template <class T>
constexpr int64_t SIDE = 16 / sizeof(T);

template <class T>
inline void turn_square(const T *from, int64_t from_stride, T *to, int64_t to_stride) {
#if defined(__SSE2__)
    constexpr int side = SIDE<T>;
    __m128i row[side], half[side];
    for (int i = 0; i < side; i++) row[i] = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + i * from_stride));
    if constexpr (sizeof(T) == 4) {
        for (int i = 0; i < 2; i++) {
            half[2 * i] = _mm_unpacklo_epi32(row[i], row[i + 2]);
            half[2 * i + 1] = _mm_unpackhi_epi32(row[i], row[i + 2]);
        }
        for (int i = 0; i < 2; i++) {
            row[2 * i] = _mm_unpacklo_epi32(half[i], half[i + 2]);
            row[2 * i + 1] = _mm_unpackhi_epi32(half[i], half[i + 2]);
        }
    } else {
        // Three times, numbers of rows that lie half the square apart become neighbours.
        auto merge = [](const __m128i *a, __m128i *b) {
            for (int i = 0; i < 4; i++) {
                b[2 * i] = _mm_unpacklo_epi16(a[i], a[i + 4]);
                b[2 * i + 1] = _mm_unpackhi_epi16(a[i], a[i + 4]);
            }
        };
        merge(row, half);
        merge(half, row);
        merge(row, half);
        std::copy(half, half + side, row);
    }
    for (int i = 0; i < side; i++) _mm_storeu_si128(reinterpret_cast<__m128i *>(to + i * to_stride), row[i]);
#else
    turn_part(from, from_stride, to, to_stride, SIDE<T>, SIDE<T>);
#endif
}

template <class T>
void turn_strip(const Transpose &t, int64_t matrix, int64_t first_row) {
    constexpr int64_t tile = LINE / sizeof(T), side = SIDE<T>;
    const T *from = static_cast<const T *>(t.from) + matrix * t.rows * t.columns + first_row * t.columns;
    T *to = static_cast<T *>(t.to) + matrix * t.rows * t.columns + first_row;
    int64_t rows = std::min(tile, t.rows - first_row), whole_rows = rows / side * side;
    for (int64_t column = 0; column < t.columns; column += tile) {
        int64_t columns = std::min(tile, t.columns - column), whole_columns = columns / side * side;
        const T *source = from + column;
        T *target = to + column * t.rows;
        auto square = [&](int64_t r, int64_t c) {
            turn_square(source + r * t.columns + c, t.columns, target + c * t.rows + r, t.rows);
        };
        // Lines that lie far apart compete for their places in the cache: finish the farther ones first.
        if (t.columns > t.rows)
            for (int64_t r = 0; r < whole_rows; r += side)
                for (int64_t c = 0; c < whole_columns; c += side) square(r, c);
        else
            for (int64_t c = 0; c < whole_columns; c += side)
                for (int64_t r = 0; r < whole_rows; r += side) square(r, c);
        turn_part(source + whole_columns, t.columns, target + whole_columns * t.rows, t.rows, rows, columns - whole_columns);
        turn_part(source + whole_rows * t.columns, t.columns, target + whole_rows, t.rows, rows - whole_rows, whole_columns);
    }
}

}  // namespace

void turn_strip(const Transpose &t, int64_t strip) {
    int64_t height = LINE / t.size, strips = (t.rows + height - 1) / height;
    if (t.size == 2) turn_strip<uint16_t>(t, strip / strips, strip % strips * height);
    else turn_strip<uint32_t>(t, strip / strips, strip % strips * height);
}
