// The two inner loops: everything they sum stays in registers, and every value they load serves several products.
//
// A tile is R rows of LANES pixels. A row of the image that lies r below the tile's first window row serves all tile rows
// i with 0 <= r - i < K, each through its own kernel row r - i; moved by dx it serves them all again. Both loops are
// unrolled over r, so that which rows a value serves is known to the compiler.

#pragma once

#include <type_traits>
#include <utility>

#include "vector.h"

namespace {

#define UNROLL _Pragma("GCC unroll 16")

template <int I>
using Index = std::integral_constant<int, I>;

template <class F, int... I>
inline __attribute__((always_inline)) void for_each(std::integer_sequence<int, I...>, F &&f) {
    (f(Index<I>{}), ...);
}

template <int R, int K, int r>
struct Rows {  // tile rows that image row r serves
    static constexpr int first = r - K + 1 > 0 ? r - K + 1 : 0;
    static constexpr int last = r < R - 1 ? r : R - 1;
};

// The image moved left by dx. A register that crosses a cache line costs two loads, a shift none but shares its unit
// with half of the multiply-adds: with many products per value, taking turns is fastest.
template <int dx, bool alternate>
inline __attribute__((always_inline)) Vec moved(const float *x, Vec here, Vec next) {
    if constexpr (dx == 0) return here;
    else if constexpr (FAST_SHIFT && !(alternate && dx % 2)) return shift<dx>(here, next);
    else return load(x + dx);
}

// sum over taps of kernels[i][t] * image, for R rows of M channels.
//   image: at the first value of the first window, rows `row` and channels `channel` apart, aligned
//   kernels: R x T registers
template <int K, int R, int M>
__attribute__((noinline)) void convolve_tile(const float *image, ptrdiff_t channel, ptrdiff_t row, const float *kernels, Vec (&out)[R][M]) {
    Vec sum[R][M];  // a local, which no pointer can reach, stays in registers
    UNROLL for (int i = 0; i < R; i++) UNROLL for (int m = 0; m < M; m++) sum[i][m] = Vec{};
    for_each(std::make_integer_sequence<int, R + K - 1>{}, [&](auto r) __attribute__((always_inline)) {
        const float *line = image + r * row;
        Vec here[M], next[M];
        UNROLL for (int m = 0; m < M; m++) {
            here[m] = load_aligned(line + m * channel);
            if constexpr (FAST_SHIFT && K > 1) next[m] = load_aligned(line + m * channel + LANES);
        }
        for_each(std::make_integer_sequence<int, K>{}, [&](auto dx) __attribute__((always_inline)) {
            using Served = Rows<R, K, r>;
            Vec x[M];
            UNROLL for (int m = 0; m < M; m++) x[m] = moved<dx, M == 4 && K >= 5>(line + m * channel, here[m], next[m]);
            UNROLL for (int i = Served::first; i <= Served::last; i++) {
                Vec kernel = load_aligned(kernels + ((i * K + (r - i)) * K + dx) * LANES);
                UNROLL for (int m = 0; m < M; m++) sum[i][m] += x[m] * kernel;
            }
        });
    });
    UNROLL for (int i = 0; i < R; i++) UNROLL for (int m = 0; m < M; m++) out[i][m] = sum[i][m];
}

// sum over channels of grad[i] * image for every tap of R rows of one group.
//   image, channel, row: as above; grad: rows `grad_row` and channels `grad_channel` apart, aligned
//   out: R x T registers
template <int K, int R>
__attribute__((noinline)) void correlate_tile(
    const float *image, ptrdiff_t channel, ptrdiff_t row,
    const float *grad, ptrdiff_t grad_channel, ptrdiff_t grad_row, int64_t channels, float *out
) {
    for_each(std::make_integer_sequence<int, R + K - 1>{}, [&](auto r) __attribute__((always_inline)) {
        using Served = Rows<R, K, r>;
        Vec sum[R][K];
        UNROLL for (int i = 0; i < R; i++) UNROLL for (int dx = 0; dx < K; dx++) sum[i][dx] = Vec{};
        const float *x_line = image + r * row, *g_line = grad;
        for (int64_t c = 0; c < channels; c++, x_line += channel, g_line += grad_channel) {
            Vec here = load_aligned(x_line), next{}, g[R];
            if constexpr (FAST_SHIFT && K > 1) next = load_aligned(x_line + LANES);
            UNROLL for (int i = Served::first; i <= Served::last; i++) g[i] = load_aligned(g_line + i * grad_row);
            for_each(std::make_integer_sequence<int, K>{}, [&](auto dx) __attribute__((always_inline)) {
                Vec x = moved<dx, (K >= 5)>(x_line, here, next);
                UNROLL for (int i = Served::first; i <= Served::last; i++) sum[i][dx] += x * g[i];
            });
        }
        UNROLL for (int i = Served::first; i <= Served::last; i++)
            UNROLL for (int dx = 0; dx < K; dx++) store_aligned(out + ((i * K + (r - i)) * K + dx) * LANES, sum[i][dx]);
    });
}

}  // namespace
