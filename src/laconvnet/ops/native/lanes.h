// Registers of numbers that follow each other in memory, and the activation over them.

#pragma once

#include "vector.h"

namespace {

// All lanes of a register, or the first few.
struct AllLanes {
    template <class T> Vec load(const T *p) const { return ::load(p); }
    template <class T> void store(T *p, Vec v) const { ::store(p, v); }
};
struct FirstLanes {
    int count;
    template <class T> Vec load(const T *p) const { return load_part(p, 0, count); }
    template <class T> void store(T *p, Vec v) const { store_part(p, v, count); }
};

// `work(at, lanes)` for each register of so many numbers.
template <class Work>
inline __attribute__((always_inline)) void for_each_register(int64_t count, const Work &work) {
    int64_t at = 0;
    for (; at + LANES <= count; at += LANES) work(at, AllLanes{});
    if (at < count) work(at, FirstLanes{(int)(count - at)});
}

// 2^t for -126 <= t <= 126: the nearest integer goes to the exponent, the rest through a polynomial of least relative
// error, 7e-8 or, where that is enough, 7e-5.
template <bool coarse>
inline Vec power_of_two(Vec t) {
    Vec n = nearest_integer(t), f = t - n, p;
    if constexpr (coarse) {
        p = f * 0.0551716685f + 0.242611125f;
        p = p * f + 0.693260968f;
        p = p * f + 0.999928057f;
    } else {
        p = f * 0.00132764725f + 0.00967554096f;
        p = p * f + 0.0555071309f;
        p = p * f + 0.240221202f;
        p = p * f + 0.693146944f;
        p = p * f + 1.00000012f;
    }
    return times_power_of_two(p, n);
}

// 1 / (1 + e^-v), of v held between -87 and 87.
template <bool coarse>
inline Vec sigmoid(Vec v) {
    Vec t = smaller(Vec{} + 87.0f, larger(Vec{} - 87.0f, v)) * -1.44269504f;
    return reciprocal<coarse>(1.0f + power_of_two<coarse>(t));
}

// v / (1 + e^-v), but never nearer to 0 than -1e-36 far below 0, at minus infinity too; NaN stays NaN.
template <bool coarse>
inline Vec silu(Vec v) {
    return larger(Vec{} - 87.0f, v) * sigmoid<coarse>(v);
}

}  // namespace
