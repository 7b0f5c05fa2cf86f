// One pass over the result of a matrix product. Compiled once per instruction set, which CAPABILITY names.

#include <algorithm>

#include "epilogue.h"
#include "lanes.h"

namespace {

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
