// How fast this core multiplies and adds when each product loads one operand, unaligned, from the first-level cache.
// A convolution that reads every pixel anew for every tap can be no faster. Compiled once per instruction set.

#include "vector.h"

#define NAME_OF(capability) multiply_add_loads_##capability
#define NAME(capability) NAME_OF(capability)

// `rounds` times 16 registers of products; returns something that depends on all of them.
float NAME(CAPABILITY)(int64_t rounds) {
    constexpr int SUMS = LANES == 16 ? 16 : 8;
    alignas(64) static float cache[4096 + 64];
    Vec sums[SUMS] = {}, factor = Vec{} + 0.5f;
    for (int64_t round = 0; round < rounds; round++) {
        const float *line = cache + 1 + round % 8 * 32 * LANES;
        for (int half = 0; half < 16; half += SUMS)
#pragma GCC unroll 16
            for (int i = 0; i < SUMS; i++) sums[i] += factor * load(line + (half + i) * LANES);
        asm volatile("" : : "r"(line) : "memory");  // the loads of the next round are made again
    }
    for (int i = 1; i < SUMS; i++) sums[0] += sums[i];
    return sums[0][0];
}
