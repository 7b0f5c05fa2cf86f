"""The programs that `ops.triton` launches. A module of its own, since importing it imports Triton.

Legend: N batch, C channels, G groups, J = C/G channels of a group, K kernel side, T = K*K taps, P pixels.

With o(t) the place of tap t in the window, all three maps of the operator are sums over what a window shows:

    convolve             out(c,p) = sum_t weight(g,t,p)            * x(c, p + o(t))
    convolve, ADJOINT    gx(c,p)  = sum_t weight(g,T-1-t,p + o(t)) * grad(c, p + o(t))       as o(T-1-t) = -o(t)
    correlate            gw(g,t,p) = sum_j grad(c,p)               * x(c, p + o(t))          c: channel j of group g

Every program writes places of its own, in one order of summation, so two runs agree to the last bit.

A program owns LANES lanes of one (n, g). A *lane* is a word, of PIXELS = 1 or 2 neighbouring pixels of a row, in each
of ROWS rows below one another. What belongs to a tap, an entry of weight or the sum for its gradient, stays in
registers for the program's life while channels stream by, so that it crosses the bus once for all J channels; and
what is loaded of a channel serves up to ROWS*PIXELS positions. Lists of registers are tuples, taken apart at
compile time; nothing is ever exchanged between lanes.

A word of two pixels is an integer, for want of a type that is a pair of floats; widths, columns and strides are
counted in words.
"""
# mypy: ignore-errors
# (the functions are in Triton's language, which is typed by its own compiler)

import torch
import triton
import triton.language as tl
from triton.language import core

# A stride of 1 deserves a compilation of its own; a size of 1 does not, nor an address that is a multiple of 16.
_kernel = triton.jit(
    do_not_specialize=["threshold", "groups", "per_group", "share", "height", "width"],
    do_not_specialize_on_alignment=["x", "weight", "grad", "out", "seed"],
)

DTYPES = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}


@triton.jit
def _int64(numbers):
    """The numbers in 64 bits, so that no offset made of them wraps."""
    wide = ()
    for k in tl.static_range(len(numbers)):
        wide += (tl.cast(numbers[k], tl.int64),)
    return wide


@triton.jit
def _place(groups, parts, height, width, ROWS: tl.constexpr, LANES: tl.constexpr):
    """What this program works on: sample, group, part of the group's channels, each lane's first row, and column."""
    tiles = tl.cdiv(tl.cdiv(height, ROWS) * width, LANES)
    program = tl.program_id(0)
    lane = program % tiles * LANES + tl.arange(0, LANES)
    plane = program // tiles // parts
    part = program // tiles % parts
    return (plane // groups).to(tl.int64), plane % groups, part, lane // width * ROWS, lane % width


@triton.jit
def _channel(member, group, groups, per_group, INTERLEAVED: tl.constexpr):
    """c of a member j of the group."""
    if INTERLEAVED:
        channel = member * groups + group
    else:
        channel = group * per_group + member
    return channel.to(tl.int64)


@triton.jit
def _unpack(word, DTYPE: tl.constexpr, PIXELS: tl.constexpr):
    """The pixels of a word, from left to right, as float32."""
    if PIXELS == 1:
        return (word.to(tl.float32),)
    elif DTYPE == tl.bfloat16:  # which is the upper half of a float32: one instruction a pixel
        return (word << 16).to(tl.float32, bitcast=True), (word & -65536).to(tl.float32, bitcast=True)
    else:
        BITS: tl.constexpr = word.dtype.primitive_bitwidth // 2
        HALF: tl.constexpr = tl.int16 if BITS == 16 else tl.int32
        left = word.to(HALF).to(DTYPE, bitcast=True)
        right = (word >> BITS).to(HALF).to(DTYPE, bitcast=True)
        return left.to(tl.float32), right.to(tl.float32)


@triton.jit
def _write(pointer, pixels, mask, DTYPE: tl.constexpr, PIXELS: tl.constexpr):
    """Store float32 pixels as one word."""
    if PIXELS == 1:
        tl.store(pointer, pixels[0].to(DTYPE), mask=mask)
    else:
        WORD: tl.constexpr = pointer.dtype.element_ty
        BITS: tl.constexpr = WORD.primitive_bitwidth // 2
        HALF: tl.constexpr = tl.uint16 if BITS == 16 else tl.uint32
        left = pixels[0].to(DTYPE).to(HALF, bitcast=True).to(WORD)
        right = pixels[1].to(DTYPE).to(HALF, bitcast=True).to(WORD)
        tl.store(pointer, left | right << BITS, mask=mask)


@triton.jit
def _run(
    here,
    stride_h,
    stride_w,
    place,
    DY: tl.constexpr,
    DX: tl.constexpr,
    COUNT: tl.constexpr,
    DTYPE: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """COUNT pixels of a row, as a tuple: from the one (DY, DX) off the lane's first pixel on; zero outside the map."""
    row, column, height, width = place
    # Unsigned, one comparison says 0 <= row + DY < height, and one says that and 0 <= column + k < width.
    words_there = tl.where((row + DY).to(tl.uint32) < height.to(tl.uint32), width, 0).to(tl.uint32)
    START: tl.constexpr = DX // PIXELS
    pixels = ()
    for k in tl.static_range(START, (DX + COUNT - 1) // PIXELS + 1):
        mask = (column + k).to(tl.uint32) < words_there
        word = tl.load(here + (DY * stride_h + k * stride_w), mask=mask, other=0)
        pixels += _unpack(word, DTYPE, PIXELS)
    return pixels[DX - START * PIXELS : DX - START * PIXELS + COUNT]


@triton.jit
def _window(
    here, stride_h, stride_w, place, K: tl.constexpr, ROWS: tl.constexpr, DTYPE: tl.constexpr, PIXELS: tl.constexpr
):
    """All that the windows of the lane's positions show of a channel: ROWS + K-1 rows of PIXELS + K-1 pixels."""
    window = ()
    for y in tl.static_range(ROWS + K - 1):
        window += _run(here, stride_h, stride_w, place, y - K // 2, -(K // 2), PIXELS + K - 1, DTYPE, PIXELS)
    return window


@triton.jit
def _mix(bits):
    """`mix` of `ops.dropout`, whose products are meant to wrap."""
    bits ^= bits >> 16
    bits = core.mul(bits, 0x7FEB352D, sanitize_overflow=False)
    bits ^= bits >> 15
    bits = core.mul(bits, 0x846CA68B, sanitize_overflow=False)
    return bits ^ bits >> 16


@triton.jit
def _drop(pixels, dropout, plane, place, DY: tl.constexpr, DX: tl.constexpr, PIXELS: tl.constexpr):
    """Kernel entries of a word, or their gradients, after dropout."""
    seed, threshold, scale = dropout
    row, column, _, width = place
    key = _mix(plane.to(tl.uint32) ^ seed.to(tl.uint32))
    key = _mix(core.add(key, (seed >> 32).to(tl.uint32), sanitize_overflow=False))
    pixel = (((row + DY) * width + column) * PIXELS + DX).to(tl.uint32)
    dropped = ()
    for v in tl.static_range(PIXELS):
        bits = _mix(core.add(core.add(pixel, v, sanitize_overflow=False), key, sanitize_overflow=False))
        dropped += (tl.where(bits >= tl.cast(threshold, tl.uint32), pixels[v] * scale, 0.0),)
    return dropped


@triton.jit
def _entries(
    here,
    strides,
    dropout,
    first_plane,
    place,
    TAP: tl.constexpr,
    DY: tl.constexpr,
    DX: tl.constexpr,
    DROPOUT: tl.constexpr,
    DTYPE: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """Kernel entries of one tap: those of the word (DY, DX) off the lane's."""
    stride_t, stride_h, stride_w = strides
    entries = _run(here + TAP * stride_t, stride_h, stride_w, place, DY, DX, PIXELS, DTYPE, PIXELS)
    if DROPOUT:
        entries = _drop(entries, dropout, first_plane + TAP, place, DY, DX, PIXELS)
    return entries


@_kernel
def convolve(
    x,
    weight,
    out,
    seed,
    threshold,
    scale,
    x_strides,
    weight_strides,
    groups,
    per_group,
    share,
    height,
    width,
    INTERLEAVED: tl.constexpr,
    ADJOINT: tl.constexpr,
    DROPOUT: tl.constexpr,
    DTYPE: tl.constexpr,
    PIXELS: tl.constexpr,
    K: tl.constexpr,
    ROWS: tl.constexpr,
    LANES: tl.constexpr,
):
    """out (N,C,H,W), contiguous, of x (N,C,H,W) and weight (N,G,T,H,W), `share` channels of a group a program."""
    T: tl.constexpr = K * K
    SPAN: tl.constexpr = PIXELS + K - 1
    x_n, x_c, x_h, x_w = _int64(x_strides)
    w_n, w_g, w_t, w_h, w_w = _int64(weight_strides)
    sample, group, part, row, column = _place(groups, tl.cdiv(per_group, share), height, width, ROWS, LANES)
    place = (row, column, height, width)

    here = weight + (sample * w_n + group * w_g + row * w_h + column * w_w)
    strides = (w_t, w_h, w_w)
    first_plane = (sample * groups + group) * T
    if DROPOUT:
        dropout = (tl.load(seed), threshold, scale)
    else:
        dropout = ()
    weights = ()
    for r in tl.static_range(ROWS):
        for t in tl.static_range(T):
            if ADJOINT:
                weights += _entries(
                    here,
                    strides,
                    dropout,
                    first_plane,
                    place,
                    T - 1 - t,
                    r + t // K - K // 2,
                    t % K - K // 2,
                    DROPOUT,
                    DTYPE,
                    PIXELS,
                )
            else:
                weights += _entries(here, strides, dropout, first_plane, place, t, r, 0, DROPOUT, DTYPE, PIXELS)

    here = x + (sample * x_n + row * x_h + column * x_w)
    for member in range(part * share, tl.minimum(part * share + share, per_group)):
        channel = _channel(member, group, groups, per_group, INTERLEAVED)
        window = _window(here + channel * x_c, x_h, x_w, place, K, ROWS, DTYPE, PIXELS)
        there = out + (((sample * groups * per_group + channel) * height + row) * width + column)
        for r in tl.static_range(ROWS):
            pixels = ()
            for v in tl.static_range(PIXELS):
                total = tl.zeros((LANES,), tl.float32)
                for t in tl.static_range(T):
                    seen = window[(r + t // K) * SPAN + t % K + v]
                    total = tl.fma(weights[(r * T + t) * PIXELS + v], seen, total)
                pixels += (total,)
            _write(there + r * width, pixels, row + r < height, DTYPE, PIXELS)


@_kernel
def correlate(
    grad,
    x,
    out,
    seed,
    threshold,
    scale,
    grad_strides,
    x_strides,
    groups,
    per_group,
    height,
    width,
    INTERLEAVED: tl.constexpr,
    DROPOUT: tl.constexpr,
    DTYPE: tl.constexpr,
    PIXELS: tl.constexpr,
    K: tl.constexpr,
    ROWS: tl.constexpr,
    LANES: tl.constexpr,
):
    """out (N,G,T,H,W), contiguous, of grad and x (N,C,H,W)."""
    T: tl.constexpr = K * K
    SPAN: tl.constexpr = PIXELS + K - 1
    g_n, g_c, g_h, g_w = _int64(grad_strides)
    x_n, x_c, x_h, x_w = _int64(x_strides)
    sample, group, _, row, column = _place(groups, 1, height, width, ROWS, LANES)
    place = (row, column, height, width)

    grad_here = grad + (sample * g_n + row * g_h + column * g_w)
    x_here = x + (sample * x_n + row * x_h + column * x_w)
    totals = ()
    for _ in tl.static_range(ROWS * T * PIXELS):
        totals += (tl.zeros((LANES,), tl.float32),)
    for member in range(per_group):
        channel = _channel(member, group, groups, per_group, INTERLEAVED)
        window = _window(x_here + channel * x_c, x_h, x_w, place, K, ROWS, DTYPE, PIXELS)
        sums = ()
        for r in tl.static_range(ROWS):
            pixels = _run(grad_here + channel * g_c, g_h, g_w, place, r, 0, PIXELS, DTYPE, PIXELS)
            for t in tl.static_range(T):
                for v in tl.static_range(PIXELS):
                    seen = window[(r + t // K) * SPAN + t % K + v]
                    sums += (tl.fma(pixels[v], seen, totals[(r * T + t) * PIXELS + v]),)
        totals = sums

    if DROPOUT:
        dropout = (tl.load(seed), threshold, scale)
    for r in tl.static_range(ROWS):
        for t in tl.static_range(T):
            plane = (sample * groups + group) * T + t
            pixels = totals[(r * T + t) * PIXELS : (r * T + t + 1) * PIXELS]
            if DROPOUT:
                pixels = _drop(pixels, dropout, plane, place, r, 0, PIXELS)
            there = out + ((plane * height + row + r) * width + column)
            _write(there, pixels, row + r < height, DTYPE, PIXELS)
