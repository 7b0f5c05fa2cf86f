// What the library is asked to do, and how the work is cut.
//
// Legend: N batch, C channels, G groups, J = C/G channels of a group, K kernel side, T = K*K taps, H x W the map.

#pragma once

#include <cstdint>

extern "C" {

// Mirrored field by field by `Problem` in library.py. Strides count elements.
struct Problem {
    int64_t batch, channels, groups, height, width, kernel_size;
    int64_t contiguous_groups;  // 1: channel c uses group c / J, 0: c % G
    int64_t bfloat16;           // element type of every array: 0 float, 1 bfloat16
    int64_t threads;            // at most so many
    int64_t capability;         // instruction set, an index of `CAPABILITIES`; -1: the best
    const void *image;          // (N,C,H,W): x; for the gradient of x, the gradient of the output
    int64_t image_strides[4];
    const void *other;          // (N,G,T,H,W) kernels; for the gradient of the kernels, (N,C,H,W) gradient of the output
    int64_t other_strides[5];
    void *out;                  // contiguous
    uint64_t drop_below;        // a kernel entry whose 32 random bits lie below is dropped; 0: no dropout
    int64_t drop_seed;
    double drop_scale;          // factor of the entries that stay
};

}

enum class Pass { forward, grad_input, grad_weight };

// The output is cut into blocks of rows x columns of one group of one sample: one block is one task.
struct Plan {
    Pass pass;
    Problem problem;
    int64_t row_block, column_block, row_blocks, column_blocks, tasks;
};

using RunTask = void (*)(const Plan &, int64_t task);
