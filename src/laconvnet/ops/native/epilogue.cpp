// One pass over the result of a matrix product. Compiled once per instruction set, which CAPABILITY names.

#include <algorithm>

#include "epilogue.h"
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
    const Vec to_integer = Vec{} + 12582912.0f;  // 1.5 * 2^23: a sum with it keeps the integer in its last bits
    Vec shifted = t + to_integer, f = t - (shifted - to_integer), p;
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
    return (Vec)((Bits)p + ((Bits)shifted << 23));
}

// v / (1 + e^-v), but never nearer to 0 than -1e-36 far below 0, at minus infinity too; NaN stays NaN.
template <bool coarse>
inline Vec silu(Vec v) {
    v = larger(Vec{} - 87.0f, v);
    Vec t = smaller(Vec{} + 87.0f, v) * -1.44269504f;
    return v * reciprocal<coarse>(1.0f + power_of_two<coarse>(t));
}

template <class T>
void run_affine_silu(const AffineSilu &a, int64_t begin, int64_t end) {
    constexpr bool coarse = sizeof(T) == 2;
    while (begin < end) {
        int64_t row = begin / a.pixels, count = std::min(end, (row + 1) * a.pixels) - begin, channel = row % a.channels;
        Vec scale = Vec{} + (a.scale ? a.scale[channel] : 1.0f), shift = Vec{} + (a.shift ? a.shift[channel] : 0.0f);
        T *x = static_cast<T *>(a.x) + begin;
        const T *residual = a.residual ? static_cast<const T *>(a.residual) + begin : nullptr;
        for_each_register(count, [&](int64_t at, auto lanes) __attribute__((always_inline)) {
            Vec v = lanes.load(x + at) * scale + shift;
            if (residual) v += lanes.load(residual + at);
            lanes.store(x + at, silu<coarse>(v));
        });
        begin += count;
    }
}

template <class T>
void run_unpack(const Unpack &u, int64_t begin, int64_t end) {
    int64_t s = u.packing, line = s * u.channels;
    for (int64_t at = begin; at < end; at++) {
        int64_t token = at % u.tokens, part = at / u.tokens % s, row = at / u.tokens / s;
        const T *from = static_cast<const T *>(u.packed) + ((row * u.tokens + token) * s + part) * line;
        T *to = static_cast<T *>(u.out) + at * line;
        const float *bias = u.bias + part * line;
        for (int64_t pixel = 0; pixel < s; pixel++, from += u.channels, to += u.channels, bias += u.channels)
            for_each_register(u.channels, [&](int64_t c, auto lanes) __attribute__((always_inline)) {
                Vec v = lanes.load(from + c) + lanes.load(bias + c);
                lanes.store(to + c, smaller(lanes.load(u.high + c), larger(lanes.load(u.low + c), v)));
            });
    }
}

}  // namespace

#define JOIN(name, capability) name##_##capability
#define NAME(name, capability) JOIN(name, capability)

void NAME(affine_silu, CAPABILITY)(const AffineSilu &a, bool is_bfloat16, int64_t begin, int64_t end) {
    if (is_bfloat16) run_affine_silu<bfloat16>(a, begin, end);
    else run_affine_silu<float>(a, begin, end);
}

void NAME(unpack, CAPABILITY)(const Unpack &u, bool is_bfloat16, int64_t begin, int64_t end) {
    if (is_bfloat16) run_unpack<bfloat16>(u, begin, end);
    else run_unpack<float>(u, begin, end);
}
