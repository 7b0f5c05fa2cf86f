// What follows a matrix product in a network that only predicts, in one pass over its result.

#pragma once

#include <cstdint>

// silu(scale[c] * x + shift[c] + residual) over (rows / channels, channels, pixels), in place.
struct AffineSilu {
    void *x;
    const void *residual;      // like x, or null
    const float *scale, *shift;  // (channels), or null
    int64_t rows, channels, pixels;
};

// Tokens (rows, tokens, packing, packing, channels) to a map (rows, packing, tokens, packing, channels), with a bias for
// each number of a token added, and held between two limits for each channel.
struct Unpack {
    const void *packed;
    void *out;
    const float *bias;        // (packing, packing, channels)
    const float *low, *high;  // (channels)
    int64_t rows, tokens, packing, channels;
};

// Numbers `begin` to `end` of the map, and lines (packing * channels numbers) `begin` to `end` of the output.
using RunAffineSilu = void (*)(const AffineSilu &, bool is_bfloat16, int64_t begin, int64_t end);
using RunUnpack = void (*)(const Unpack &, bool is_bfloat16, int64_t begin, int64_t end);
