// One register of float32 lanes, for the instruction set this file is compiled for.
//
// The arithmetic is the compiler's own vector extension; intrinsics appear where a register is read or written in part.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
constexpr bool FAST_SHIFT = true;  // two aligned loads and a shift beat an unaligned load
constexpr int TILE_ROWS = 4;       // 16 sums, 4 + 4 + 4 operands: 28 of 32 registers
#elif defined(__AVX2__)
constexpr int LANES = 8;
constexpr bool FAST_SHIFT = false;
constexpr int TILE_ROWS = 2;       // of 16 registers
#elif defined(__aarch64__)
constexpr int LANES = 4;
constexpr bool FAST_SHIFT = false;
constexpr int TILE_ROWS = 4;
#else
constexpr int LANES = 4;
constexpr bool FAST_SHIFT = false;
constexpr int TILE_ROWS = 2;
#endif

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
struct bfloat16 { uint16_t bits; };

inline Vec load(const float *p) {
    Vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline Vec load_aligned(const float *p) { return *reinterpret_cast<const Vec *>(p); }

inline void store_aligned(float *p, Vec v) { *reinterpret_cast<Vec *>(p) = v; }

inline Bits to_bits(Halves h) {
#if defined(__AVX512F__)
    return (Bits)_mm512_maskz_cvtepu16_epi32(0xFFFF, (__m256i)h);
#else
    return __builtin_convertvector(h, Bits);
#endif
}

inline Halves to_halves(Bits bits) {
#if defined(__AVX512F__)
    return (Halves)_mm512_maskz_cvtepi32_epi16(0xFFFF, (__m512i)bits);
#else
    return __builtin_convertvector(bits, Halves);
#endif
}

inline Vec widen(Halves h) { return (Vec)(to_bits(h) << 16); }

// To nearest, ties to even, as PyTorch rounds; NaN stays NaN.
inline Halves narrow(Vec v) {
#if defined(__AVX512BF16__)
    return (Halves)_mm512_cvtneps_pbh((__m512)v);
#endif
    Bits bits = (Bits)v;
    Bits rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    Bits is_nan = (Bits)(v != v);
    return to_halves((rounded & ~is_nan) | (is_nan & 0x7FC0));
}

inline Vec load(const bfloat16 *p) {
    Halves h;
    std::memcpy(&h, p, sizeof h);
    return widen(h);
}

// Lanes first <= lane < last of memory at p, zero elsewhere; memory outside is not touched.
template <class T>
inline Vec load_part(const T *p, int first, int last) {
#if defined(__AVX512F__)
    __mmask16 mask = (__mmask16)((0xFFFFu >> (LANES - last)) & (0xFFFFu << first));
    if constexpr (sizeof(T) == 4) return (Vec)_mm512_maskz_loadu_ps(mask, p);
    else return widen((Halves)_mm256_maskz_loadu_epi16(mask, p));
#else
    alignas(64) T part[LANES] = {};
    for (int lane = first; lane < last; lane++) part[lane] = p[lane];
    return load(part);
#endif
}

inline void store(float *p, Vec v) { std::memcpy(p, &v, sizeof v); }

inline void store(bfloat16 *p, Vec v) {
    Halves h = narrow(v);
    std::memcpy(p, &h, sizeof h);
}

inline void store_part(float *p, Vec v, int count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)(0xFFFFu >> (LANES - count)), (__m512)v);
#else
    std::memcpy(p, &v, sizeof(float) * count);
#endif
}

inline void store_part(bfloat16 *p, Vec v, int count) {
    Halves h = narrow(v);
#if defined(__AVX512F__)
    _mm256_mask_storeu_epi16(p, (__mmask16)(0xFFFFu >> (LANES - count)), (__m256i)h);
#else
    std::memcpy(p, &h, sizeof(uint16_t) * count);
#endif
}

// Where v is NaN, NaN.
#if defined(__AVX512F__)
inline Vec larger(Vec bound, Vec v) { return (Vec)_mm512_maskz_max_ps(0xFFFF, (__m512)bound, (__m512)v); }
inline Vec smaller(Vec bound, Vec v) { return (Vec)_mm512_maskz_min_ps(0xFFFF, (__m512)bound, (__m512)v); }
#else
inline Vec larger(Vec bound, Vec v) { return bound > v ? bound : v; }
inline Vec smaller(Vec bound, Vec v) { return bound < v ? bound : v; }
#endif

inline Vec nearest_integer(Vec v) {
#if defined(__AVX512F__)
    return (Vec)_mm512_maskz_roundscale_ps(0xFFFF, (__m512)v, 0);
#else
    const Vec to_integer = Vec{} + 12582912.0f;  // 1.5 * 2^23: a sum with it keeps the integer in its last bits
    return v + to_integer - to_integer;
#endif
}

// v * 2^n, n whole and -126 <= n <= 126.
inline Vec times_power_of_two(Vec v, Vec n) {
#if defined(__AVX512F__)
    return (Vec)_mm512_maskz_scalef_ps(0xFFFF, (__m512)v, (__m512)n);
#else
    return (Vec)((Bits)v + ((Bits)(n + 12582912.0f) << 23));
#endif
}

// 1 / v to the last digit or, where that is enough, to 6e-5; v neither 0 nor denormal.
template <bool coarse>
inline Vec reciprocal(Vec v) {
#if defined(__AVX512F__)
    Vec near = (Vec)_mm512_maskz_rcp14_ps(0xFFFF, (__m512)v);
    if constexpr (coarse) return near;
    else return near + near * (1.0f - v * near);
#else
    return 1.0f / v;
#endif
}

// Lanes D, D+1, ... of the 2 * LANES lanes of a and b.
template <int D>
inline Vec shift(Vec a, Vec b) {
#if defined(__AVX512F__)
    if constexpr (D == 0) return a;
    else return (Vec)_mm512_maskz_alignr_epi32(0xFFFF, (__m512i)b, (__m512i)a, D);
#else
    static_assert(D == 0, "only where FAST_SHIFT");
    return a;
#endif
}

}  // namespace
