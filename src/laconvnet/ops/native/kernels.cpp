// The three passes on one block of the output. Compiled once per instruction set, which CAPABILITY names.
//
// A task copies the part of the image that its block sees, with a frame of zeros, to a buffer of its own (float32,
// aligned): whatever the strides and the type, the inner loops read one layout. Kernels are copied tile by tile, which
// is also where they are widened, dropped and, for the gradient of the input, turned round:
//     grad_x(q) = sum over t of weight(T-1-t, q + t) * grad(q + t)
// with t standing for tap and displacement is again a convolution, by the kernels its neighbours hold for q.

#include <algorithm>
#include <cstdlib>
#include <new>

#include "problem.h"
#include "tiles.h"

namespace {

class Buffer {
public:
    ~Buffer() { std::free(data_); }

    // At least `count` floats, aligned to a cache line; what was in it is lost.
    float *get(size_t count) {
        if (count > size_) {
            std::free(data_);
            size_ = 0;
            data_ = static_cast<float *>(std::aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64));
            if (!data_) throw std::bad_alloc();
            size_ = count;
        }
        return data_;
    }

private:
    float *data_ = nullptr;
    size_t size_ = 0;
};

thread_local Buffer image_buffer, grad_buffer, kernel_buffer;

constexpr int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

struct Block {
    int64_t sample, group, row, rows, column, columns;
};

Block block_of(const Plan &plan, int64_t task) {
    const Problem &p = plan.problem;
    Block b;
    b.column = task % plan.column_blocks * plan.column_block;
    task /= plan.column_blocks;
    b.row = task % plan.row_blocks * plan.row_block;
    task /= plan.row_blocks;
    b.group = task % p.groups;
    b.sample = task / p.groups;
    b.rows = std::min(plan.row_block, p.height - b.row);
    b.columns = std::min(plan.column_block, p.width - b.column);
    return b;
}

int64_t channel_of(const Problem &p, int64_t group, int64_t member) {
    return p.contiguous_groups ? group * (p.channels / p.groups) + member : member * p.groups + group;
}

template <class T>
inline float to_float(T value) {
    if constexpr (sizeof(T) == 4) return value;
    else {
        uint32_t bits = (uint32_t)value.bits << 16;
        float f;
        std::memcpy(&f, &bits, 4);
        return f;
    }
}

// Which lanes of columns column, column + 1, ... lie inside a map.
struct Lanes {
    int first, last;

    Lanes(int64_t column, int64_t width)
        : first((int)std::clamp<int64_t>(-column, 0, LANES)), last((int)std::clamp<int64_t>(width - column, 0, LANES)) {}
};

// Those columns of a row, zero outside the map.
template <class T>
inline Vec load_columns(const T *p, Lanes lanes, int64_t stride) {
    if (stride == 1) return lanes.last - lanes.first == LANES ? load(p) : load_part(p, lanes.first, lanes.last);
    Vec v{};
    for (int lane = lanes.first; lane < lanes.last; lane++) v[lane] = to_float(p[lane * stride]);
    return v;
}

// A group's channels of a block, `radius` more on every side, zero outside the map.
struct Window {
    const float *data;
    ptrdiff_t channel, row;
};

template <class T>
Window copy_window(const Plan &plan, const Block &b, const void *image, const int64_t *strides, int64_t radius, Buffer &to) {
    const Problem &p = plan.problem;
    int64_t members = p.channels / p.groups, rows = b.rows + 2 * radius;
    // Room for one register past the last tile; the odd line between channels keeps them off the same cache sets.
    int64_t row = round_up(b.columns, LANES) + std::max<int64_t>(16, LANES), channel = rows * row + 16;
    float *data = to.get(members * channel + LANES);
    int64_t above = std::clamp<int64_t>(radius - b.row, 0, rows), inside = std::min(rows, p.height - b.row + radius);
    for (int64_t at = 0; at < row; at += LANES) {
        int64_t j = b.column - radius + at;
        Lanes lanes(j, p.width);
        for (int64_t m = 0; m < members; m++) {
            float *line = data + m * channel + at;
            const T *source = static_cast<const T *>(image) + b.sample * strides[0] +
                              channel_of(p, b.group, m) * strides[1] + (b.row - radius) * strides[2] + j * strides[3];
            for (int64_t r = 0; r < above; r++) store_aligned(line + r * row, Vec{});
            for (int64_t r = above; r < inside; r++)
                store_aligned(line + r * row, load_columns(source + r * strides[2], lanes, strides[3]));
            for (int64_t r = inside; r < rows; r++) store_aligned(line + r * row, Vec{});
        }
    }
    return {data, channel, row};
}

// Dropout, the definition is in dropout.py.
template <class U>
inline U mix(U bits) {
    bits ^= bits >> 16;
    bits *= 0x7FEB352Du;
    bits ^= bits >> 15;
    bits *= 0x846CA68Bu;
    return bits ^ bits >> 16;
}

class Dropping {
public:
    explicit Dropping(const Problem &p)
        : threshold_((uint32_t)p.drop_below), scale_((float)p.drop_scale), low_((uint32_t)p.drop_seed),
          high_((uint32_t)((uint64_t)p.drop_seed >> 32)) {}

    uint32_t key(int64_t plane) const { return mix(mix((uint32_t)plane ^ low_) + high_); }

    // v times the factors of the pixels from `pixel` on, in the plane of the key.
    Vec operator()(Vec v, uint32_t key, int64_t pixel) const {
        Bits place;
        UNROLL for (int lane = 0; lane < LANES; lane++) place[lane] = lane;
        Bits stays = (Bits)(mix(place + ((uint32_t)pixel + key)) >= threshold_);
        return (Vec)((Bits)(v * scale_) & stays);
    }

private:
    uint32_t threshold_;
    float scale_;
    uint32_t low_, high_;
};

// The kernels of a tile as registers [row][tap], for the forward pass or turned round for the gradient of the input.
template <class T, int R, bool turned, bool dropping>
void copy_kernels(const Plan &plan, const Block &b, int64_t row, int64_t column, float *to) {
    const Problem &p = plan.problem;
    const int64_t *strides = p.other_strides;
    int64_t K = p.kernel_size, taps = K * K, radius = K / 2, plane = (b.sample * p.groups + b.group) * taps;
    const T *kernels = static_cast<const T *>(p.other) + b.sample * strides[0] + b.group * strides[1];
    Dropping drop(p);
    for (int64_t t = 0; t < taps; t++, to += LANES) {
        int64_t tap = turned ? taps - 1 - t : t;
        int64_t i = row + (turned ? t / K - radius : 0), j = column + (turned ? t % K - radius : 0);
        Lanes lanes(j, p.width);
        const T *source = kernels + tap * strides[2] + i * strides[3] + j * strides[4];
        if (!dropping && strides[4] == 1 && lanes.last - lanes.first == LANES && i >= 0 && i + R <= p.height) {
            UNROLL for (int r = 0; r < R; r++) store_aligned(to + r * taps * LANES, load(source + r * strides[3]));
            continue;
        }
        uint32_t key = dropping ? drop.key(plane + tap) : 0;
        for (int r = 0; r < R; r++, i++, source += strides[3]) {
            Vec v{};
            if (i >= 0 && i < p.height) {
                v = load_columns(source, lanes, strides[4]);
                if constexpr (dropping) v = drop(v, key, i * p.width + j);
            }
            store_aligned(to + r * taps * LANES, v);
        }
    }
}

template <class T, int R>
void copy_kernels(const Plan &plan, const Block &b, int64_t row, int64_t column, float *to) {
    bool turned = plan.pass == Pass::grad_input, dropping = plan.problem.drop_below > 0;
    auto copy = turned ? (dropping ? copy_kernels<T, R, true, true> : copy_kernels<T, R, true, false>)
                       : (dropping ? copy_kernels<T, R, false, true> : copy_kernels<T, R, false, false>);
    copy(plan, b, row, column, to);
}

// Ask for the kernels of the rows below the tile row while it is summed, a few taps at a time: memory serves long runs
// of one plane best, and the tiles, each of which needs a little of every plane, then find them in the core's cache.
template <class T>
class Prefetch {
public:
    Prefetch(const Problem &p, const Block &b, int64_t row, int tile_rows, int64_t calls)
        : strides_(p.other_strides), taps_(p.kernel_size * p.kernel_size), each_((taps_ + calls - 1) / calls),
          rows_(std::min<int64_t>(tile_rows, b.row + b.rows - row)), columns_(b.columns),
          next_(static_cast<const T *>(p.other) + b.sample * strides_[0] + b.group * strides_[1] + row * strides_[3] +
                b.column * strides_[4]) {}

    void some() {
        for (int64_t end = std::min(tap_ + each_, taps_); tap_ < end; tap_++, next_ += strides_[2])
            for (int64_t i = 0; i < rows_; i++)
                for (int64_t j = 0; j < columns_; j += 64 / sizeof(T))
                    __builtin_prefetch(next_ + i * strides_[3] + j * strides_[4], 0, 2);
    }

private:
    const int64_t *strides_;
    int64_t taps_, each_, rows_, columns_, tap_ = 0;
    const T *next_;
};

// R rows of M channels from `member` on, at columns column..column + LANES of the map.
template <class T, int K, int R, int M>
void convolve_members(
    const Plan &plan, const Block &b, const Window &w, const float *kernels, int64_t row, int64_t column, int64_t member
) {
    const Problem &p = plan.problem;
    Vec sum[R][M];
    const float *corner = w.data + member * w.channel + (row - b.row) * w.row + (column - b.column);
    convolve_tile<K, R, M>(corner, w.channel, w.row, kernels, sum);
    int count = (int)std::min<int64_t>(LANES, b.column + b.columns - column);
    for (int m = 0; m < M; m++) {
        int64_t plane = b.sample * p.channels + channel_of(p, b.group, member + m);
        T *out = static_cast<T *>(p.out) + (plane * p.height + row) * p.width + column;
        for (int i = 0; i < R; i++) store_part(out + i * p.width, sum[i][m], count);
    }
}

template <class T, int K, int R>
void convolve_rows(const Plan &plan, const Block &b, const Window &w, float *kernels, int64_t row) {
    int64_t members = plan.problem.channels / plan.problem.groups;
    Prefetch<T> prefetch(plan.problem, b, row + R, R, (b.columns + LANES - 1) / LANES * (members / 4 + 1));
    for (int64_t column = b.column; column < b.column + b.columns; column += LANES) {
        copy_kernels<T, R>(plan, b, row, column, kernels);
        prefetch.some();
        int64_t m = 0;
        for (; m + 4 <= members; m += 4) {
            convolve_members<T, K, R, 4>(plan, b, w, kernels, row, column, m);
            prefetch.some();
        }
        if (m + 2 <= members) convolve_members<T, K, R, 2>(plan, b, w, kernels, row, column, m), m += 2;
        if (m < members) convolve_members<T, K, R, 1>(plan, b, w, kernels, row, column, m);
    }
}

// Large kernels reuse what they load with few rows, and unrolled over many they would only grow.
template <int K>
constexpr int ROWS = K > 7 ? 2 : TILE_ROWS;

template <class T, int K>
void convolve_block(const Plan &plan, const Block &b) {
    const Problem &p = plan.problem;
    Window w = copy_window<T>(plan, b, p.image, p.image_strides, K / 2, image_buffer);
    float *kernels = kernel_buffer.get(ROWS<K> * K * K * LANES);
    // As equal tiles as possible: 13 rows are 4 + 3 + 3 + 3.
    int64_t tiles = (b.rows + ROWS<K> - 1) / ROWS<K>, row = b.row;
    for (int64_t tile = 0; tile < tiles; tile++) {
        int64_t rows = (b.row + b.rows - row + tiles - tile - 1) / (tiles - tile);
        if (rows == 1) convolve_rows<T, K, 1>(plan, b, w, kernels, row);
        else if (rows == 2) convolve_rows<T, K, 2>(plan, b, w, kernels, row);
        else if constexpr (ROWS<K> > 2) {
            if (rows == 3) convolve_rows<T, K, 3>(plan, b, w, kernels, row);
            else convolve_rows<T, K, 4>(plan, b, w, kernels, row);
        }
        row += rows;
    }
}

// The sums of a tile, registers [row][tap], to the gradient of the kernels.
template <class T>
void store_kernels(const Plan &plan, const Block &b, int64_t row, int tile_rows, int64_t column, const float *sums) {
    const Problem &p = plan.problem;
    int64_t taps = p.kernel_size * p.kernel_size, plane = (b.sample * p.groups + b.group) * taps;
    int64_t pixels = p.height * p.width;
    int count = (int)std::min<int64_t>(LANES, b.column + b.columns - column);
    Dropping drop(p);
    T *out = static_cast<T *>(p.out) + plane * pixels;
    for (int64_t t = 0; t < taps; t++) {
        uint32_t key = drop.key(plane + t);
        for (int i = 0; i < tile_rows; i++) {
            int64_t pixel = (row + i) * p.width + column;
            Vec sum = load_aligned(sums + (i * taps + t) * LANES);
            store_part(out + t * pixels + pixel, p.drop_below ? drop(sum, key, pixel) : sum, count);
        }
    }
}

template <class T, int K, int R>
void correlate_rows(const Plan &plan, const Block &b, const Window &w, const Window &g, float *sums, int64_t row) {
    for (int64_t column = b.column; column < b.column + b.columns; column += LANES) {
        ptrdiff_t down = row - b.row, along = column - b.column;
        correlate_tile<K, R>(
            w.data + down * w.row + along, w.channel, w.row, g.data + down * g.row + along, g.channel, g.row,
            plan.problem.channels / plan.problem.groups, sums);
        store_kernels<T>(plan, b, row, R, column, sums);
    }
}

template <class T, int K>
void correlate_block(const Plan &plan, const Block &b) {
    // R * K sums and R + 3 operands in 32 or 16 registers.
    constexpr int registers = LANES == 16 ? 32 : 16, fitting = (registers - 3) / (K + 1);
    constexpr int R = fitting < 1 ? 1 : fitting > 4 ? 4 : fitting;
    const Problem &p = plan.problem;
    Window w = copy_window<T>(plan, b, p.image, p.image_strides, K / 2, image_buffer);
    Window g = copy_window<T>(plan, b, p.other, p.other_strides, 0, grad_buffer);
    float *sums = kernel_buffer.get(R * K * K * LANES);
    int64_t row = b.row, end = b.row + b.rows;
    for (; row + R <= end; row += R) correlate_rows<T, K, R>(plan, b, w, g, sums, row);
    if constexpr (R > 1)
        for (; row < end; row++) correlate_rows<T, K, 1>(plan, b, w, g, sums, row);
}

template <class T, int K>
void run(const Plan &plan, int64_t task) {
    Block b = block_of(plan, task);
    if (plan.pass == Pass::grad_weight) correlate_block<T, K>(plan, b);
    else convolve_block<T, K>(plan, b);
}

template <class T>
void run_typed(const Plan &plan, int64_t task) {
    switch (plan.problem.kernel_size) {
        case 1: return run<T, 1>(plan, task);
        case 3: return run<T, 3>(plan, task);
        case 5: return run<T, 5>(plan, task);
        case 7: return run<T, 7>(plan, task);
        case 9: return run<T, 9>(plan, task);
        case 11: return run<T, 11>(plan, task);
    }
}

}  // namespace

#define NAME_OF(capability) run_task_##capability
#define NAME(capability) NAME_OF(capability)

void NAME(CAPABILITY)(const Plan &plan, int64_t task) {
    if (plan.problem.bfloat16) run_typed<bfloat16>(plan, task);
    else run_typed<float>(plan, task);
}
