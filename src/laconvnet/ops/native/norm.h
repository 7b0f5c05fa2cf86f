// Batch normalisation that learns, a residual path and an activation, over rows of channels: (rows, channels) in one piece.

#pragma once

#include <cstdint>

extern "C" {

// Mirrored field by field by `NormAct` in library.py. out = act(weight * (x - mean) / deviation + bias + residual), act
// being SiLU, or z where z > 0 and slope * z elsewhere. With `rectify`, x is max(x, 0) everywhere; then no residual.
struct NormAct {
    const void *x, *residual;    // (rows, channels); no residual: null
    const float *weight, *bias;  // (channels)
    float *mean, *inverse;       // (channels), of x and of its deviation: forward writes them, backward reads them
    float *running_mean, *running_var;  // (channels), forward moves them by `momentum`
    const void *grad;            // (rows, channels), backward only, as are the gradients below
    void *out;                   // like x: the output, or the gradient of x
    void *grad_residual;         // like x, or null
    float *grad_weight, *grad_bias;
    int64_t rows, channels, silu, rectify, bfloat16, threads, capability;
    double slope, momentum, eps;
};

}

// Linear functions of the numbers of each channel.
struct NormPass {
    const NormAct *call;
    const float *scale, *shift;   // what is activated is z = x * scale + shift + residual
    const float *slant, *offset;  // the gradient of x is scale * g + slant * (x - mean) + offset, g being that of z
};

// moments: the mean of some rows, and the sum of squares about it; apply: the output; sums: g, which it leaves where the
// gradient of the residual path belongs, or else that of x, and g * (x - mean), summed; gradient: the gradient of x.
enum class NormStep { moments, apply, sums, gradient };

// A step on rows `begin` to `end`; `moments` and `sums` leave two numbers for every channel, the first of all, then the
// second.
using RunNorm = void (*)(NormStep step, const NormPass &pass, int64_t begin, int64_t end, float *sums);
