// The four passes over the rows: two that sum, two that write. Compiled once per instruction set, which CAPABILITY names.

#include <vector>

#include "lanes.h"
#include "norm.h"

namespace {

template <class T>
const T *rows_at(const void *data, int64_t first) {
    return data ? static_cast<const T *>(data) + first : nullptr;
}

// Two sums over rows for every channel. `add(at, channel, lanes, first, second)` adds the numbers at `at` to both.
template <int V, class Lanes, class Add>
inline __attribute__((always_inline)) void sum_tile(
    int64_t rows, int64_t channels, int64_t channel, Lanes lanes, float *sums, const Add &add
) {
    Vec first[V] = {}, second[V] = {};
    for (int64_t row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            int64_t c = channel + v * LANES;
            add(row * channels + c, c, lanes, first[v], second[v]);
        }
    for (int v = 0; v < V; v++) {
        lanes.store(sums + channel + v * LANES, first[v]);
        lanes.store(sums + channels + channel + v * LANES, second[v]);
    }
}

template <class Add>
inline __attribute__((always_inline)) void sum_rows(int64_t rows, int64_t channels, float *sums, const Add &add) {
    int64_t c = 0;
    for (; c + 4 * LANES <= channels; c += 4 * LANES) sum_tile<4>(rows, channels, c, AllLanes{}, sums, add);
    for (; c + LANES <= channels; c += LANES) sum_tile<1>(rows, channels, c, AllLanes{}, sums, add);
    if (c < channels) sum_tile<1>(rows, channels, c, FirstLanes{(int)(channels - c)}, sums, add);
}

template <class Work>
inline __attribute__((always_inline)) void for_each_row(int64_t rows, int64_t channels, const Work &work) {
    for (int64_t row = 0; row < rows; row++)
        for_each_register(channels, [&](int64_t c, auto lanes) __attribute__((always_inline)) {
            work(row * channels + c, c, lanes);
        });
}

template <class T, bool is_silu, bool has_residual, bool rectify>
struct Rows {
    static constexpr bool coarse = sizeof(T) == 2;
    const NormPass &pass;
    const T *x, *residual, *grad;
    Vec slope;

    Rows(const NormPass &pass, int64_t first)
        : pass(pass), x(rows_at<T>(pass.call->x, first)), residual(rows_at<T>(pass.call->residual, first)),
          grad(rows_at<T>(pass.call->grad, first)), slope(Vec{} + (float)pass.call->slope) {}

    // What is normalised.
    template <class Lanes>
    inline __attribute__((always_inline)) Vec number(int64_t at, Lanes lanes) const {
        Vec from = lanes.load(x + at);
        if constexpr (rectify) return from > 0.0f ? from : Vec{};
        else return from;
    }

    template <class Lanes>
    inline __attribute__((always_inline)) Vec before(int64_t at, int64_t c, Lanes lanes, Vec from) const {
        Vec z = from * lanes.load(pass.scale + c) + lanes.load(pass.shift + c);
        if constexpr (has_residual) z += lanes.load(residual + at);
        return z;
    }

    inline __attribute__((always_inline)) Vec activate(Vec z) const {
        if constexpr (is_silu) return silu<coarse>(z);
        else return z > 0.0f ? z : slope * z;
    }

    // The gradient of what is activated.
    template <class Lanes>
    inline __attribute__((always_inline)) Vec inner_gradient(int64_t at, int64_t c, Lanes lanes, Vec from) const {
        Vec z = before(at, c, lanes, from), g = lanes.load(grad + at);
        if constexpr (is_silu) {
            Vec s = sigmoid<coarse>(z);
            return g * (s + z * s * (1.0f - s));
        } else return z > 0.0f ? g : slope * g;
    }
};

template <class T, bool is_silu, bool has_residual, bool rectify>
void run_step(NormStep step, const NormPass &pass, int64_t begin, int64_t end, float *sums) {
    const NormAct &call = *pass.call;
    const int64_t rows = end - begin, channels = call.channels, first = begin * channels;
    const Rows<T, is_silu, has_residual, rectify> at_rows(pass, first);
    const float *mean = call.mean;
    T *out = static_cast<T *>(call.out) + first;
    T *inner = call.grad_residual ? static_cast<T *>(call.grad_residual) + first : out;  // gradient of what is activated
    if (step == NormStep::moments) {
        // About what the squares are summed: the mean or, where numbers are rounded to half precision, those of a row.
        thread_local std::vector<float> middle;
        middle.resize(channels);
        if constexpr (sizeof(T) == 2)
            for_each_row(1, channels, [&](int64_t at, int64_t c, auto lanes) __attribute__((always_inline)) {
                lanes.store(middle.data() + c, at_rows.number(at, lanes));
            });
        else {
            sum_rows(rows, channels, sums, [&](int64_t at, int64_t, auto lanes, Vec &one, Vec &) __attribute__((always_inline)) {
                one += at_rows.number(at, lanes);
            });
            for (int64_t c = 0; c < channels; c++) middle[c] = sums[c] / rows;
        }
        const float *about = middle.data();
        sum_rows(rows, channels, sums, [&](int64_t at, int64_t c, auto lanes, Vec &one, Vec &two) __attribute__((always_inline)) {
            Vec away = at_rows.number(at, lanes) - lanes.load(about + c);
            one += away;
            two += away * away;
        });
        for (int64_t c = 0; c < channels; c++) {  // the mean is left of the middle, or right of it
            float left = sums[c] / rows;
            sums[c] = middle[c] + left;
            sums[channels + c] -= left * left * rows;
        }
    } else if (step == NormStep::apply)
        for_each_row(rows, channels, [&](int64_t at, int64_t c, auto lanes) __attribute__((always_inline)) {
            Vec z = at_rows.before(at, c, lanes, at_rows.number(at, lanes));
            lanes.store(out + at, at_rows.activate(z));
        });
    else if (step == NormStep::sums)
        sum_rows(rows, channels, sums, [&](int64_t at, int64_t c, auto lanes, Vec &one, Vec &two) __attribute__((always_inline)) {
            Vec x = at_rows.number(at, lanes), g = at_rows.inner_gradient(at, c, lanes, x);
            lanes.store(inner + at, g);
            one += g;
            two += g * (x - lanes.load(mean + c));
        });
    else
        for_each_row(rows, channels, [&](int64_t at, int64_t c, auto lanes) __attribute__((always_inline)) {
            Vec x = at_rows.number(at, lanes), g = lanes.load(inner + at);
            Vec along = (x - lanes.load(mean + c)) * lanes.load(pass.slant + c) + lanes.load(pass.offset + c);
            Vec found = g * lanes.load(pass.scale + c) + along;
            if constexpr (rectify) found = x > 0.0f ? found : Vec{};
            lanes.store(out + at, found);
        });
}

template <class T>
void run_typed(NormStep step, const NormPass &pass, int64_t begin, int64_t end, float *sums) {
    const NormAct &call = *pass.call;
    auto run = call.rectify ? (call.silu ? run_step<T, true, false, true> : run_step<T, false, false, true>)
        : call.silu ? (call.residual ? run_step<T, true, true, false> : run_step<T, true, false, false>)
                    : (call.residual ? run_step<T, false, true, false> : run_step<T, false, false, false>);
    run(step, pass, begin, end, sums);
}

}  // namespace

#define NAME_OF(capability) norm_##capability
#define NAME(capability) NAME_OF(capability)

void NAME(CAPABILITY)(NormStep step, const NormPass &pass, int64_t begin, int64_t end, float *sums) {
    if (pass.call->bfloat16) run_typed<bfloat16>(step, pass, begin, end, sums);
    else run_typed<float>(step, pass, begin, end, sums);
}
