// The interface of the shared library: plain C, no Python and no PyTorch, so that one build serves every version of both.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <new>
#include <thread>
#include <vector>

#include "epilogue.h"
#include "norm.h"
#include "problem.h"
#include "transpose.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

#define DECLARE(capability)                                                    \
    void run_task_##capability(const Plan &, int64_t);                         \
    void affine_silu_##capability(const AffineSilu &, bool, int64_t, int64_t); \
    void unpack_##capability(const Unpack &, bool, int64_t, int64_t);          \
    void norm_##capability(NormStep, const NormPass &, int64_t, int64_t, float *); \
    float multiply_add_loads_##capability(int64_t rounds)
#define FUNCTIONS(capability) \
    run_task_##capability, affine_silu_##capability, unpack_##capability, norm_##capability, multiply_add_loads_##capability

DECLARE(baseline);
#if defined(__x86_64__)
DECLARE(avx2);
DECLARE(avx512);
#endif
#if defined(WITH_avx512_bf16)
DECLARE(avx512_bf16);
#endif

namespace {

struct Capability {
    const char *name;
    int lanes;  // float32 numbers in a register
    RunTask run;
    RunAffineSilu affine_silu;
    RunUnpack unpack;
    RunNorm norm;
    float (*multiply_add_loads)(int64_t rounds);
    bool (*here)();
};

#if defined(__x86_64__)
bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
#endif

// From the best to the one that always works.
const Capability CAPABILITIES[] = {
#if defined(WITH_avx512_bf16)
    {"avx512_bf16", 16, FUNCTIONS(avx512_bf16),
     [] { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }},
#endif
#if defined(__x86_64__)
    {"avx512", 16, FUNCTIONS(avx512), has_avx512},
    {"avx2", 8, FUNCTIONS(avx2),
     [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
#endif
    {"baseline", 4, FUNCTIONS(baseline), [] { return true; }},
};
constexpr int CAPABILITY_COUNT = sizeof CAPABILITIES / sizeof *CAPABILITIES;

// Entry of the OpenMP runtime that PyTorch has loaded: its threads are used, no second runtime is started.
using Parallel = void (*)(void (*)(void *), void *, unsigned threads, unsigned flags);
Parallel openmp_parallel = nullptr;

constexpr double GRAIN = 1e6;            // multiply-adds below which a second thread costs more than it saves
constexpr int64_t BUFFER = 96 * 1024;    // floats of image a task copies: with the kernels it stays in a core's own cache
constexpr int64_t COLUMNS = 128;         // widest block
constexpr int64_t PIECE = 16 * 1024;     // numbers a task of an epilogue takes

Plan make_plan(Pass pass, const Problem &p) {
    Plan plan{pass, p, 0, 0, 0, 0, 0};
    int64_t members = p.channels / p.groups, frame = p.kernel_size - 1;
    int64_t column_blocks = (p.width + COLUMNS - 1) / COLUMNS;
    plan.column_block = ((p.width + column_blocks - 1) / column_blocks + 15) / 16 * 16;
    plan.column_blocks = (p.width + plan.column_block - 1) / plan.column_block;
    int64_t fitting = BUFFER / (members * (plan.column_block + 16)) - frame;
    // Enough blocks for every thread to get several, so that one that is held up does not hold up the others.
    int64_t planes = p.batch * p.groups * plan.column_blocks;
    int64_t shares = (4 * p.threads + planes - 1) / planes;
    int64_t rows = std::clamp<int64_t>(std::min(fitting, (p.height + shares - 1) / shares), 1, p.height);
    rows = std::min(p.height, (rows + 3) / 4 * 4);
    plan.row_blocks = (p.height + rows - 1) / rows;
    plan.row_block = std::min(p.height, ((p.height + plan.row_blocks - 1) / plan.row_blocks + 3) / 4 * 4);
    plan.row_blocks = (p.height + plan.row_block - 1) / plan.row_block;
    plan.tasks = planes * plan.row_blocks;
    return plan;
}

const Capability &chosen_capability(int64_t index) {
    if (index < 0)
        for (index = 0; !CAPABILITIES[index].here();) index++;
    return CAPABILITIES[index];
}

// `work(shared)` on so many threads at once.
void on_threads(int64_t threads, void (*work)(void *), void *shared) {
    if (threads <= 1) return work(shared);
    if (openmp_parallel) return openmp_parallel(work, shared, (unsigned)threads, 0);
    std::vector<std::thread> others;
    try {
        for (int64_t i = 1; i < threads; i++) others.emplace_back(work, shared);
    } catch (const std::exception &) {  // the work is shared by as many as could be started
    }
    work(shared);
    for (std::thread &other : others) other.join();
}

// `run(task)` for every task, each on the next free thread; false when memory ran out.
template <class Run>
bool share_tasks(int64_t threads, int64_t tasks, const Run &run) {
    struct Team {
        const Run *run;
        int64_t tasks;
        std::atomic<int64_t> next{0};
        std::atomic<bool> failed{false};
    } team{&run, tasks};
    on_threads(std::min(threads, tasks), [](void *shared) {
        Team &team = *static_cast<Team *>(shared);
        try {
            for (int64_t task; !team.failed && (task = team.next++) < team.tasks;) (*team.run)(task);
        } catch (const std::exception &) {
            team.failed = true;
        }
    }, &team);
    return !team.failed;
}

// 0, or 1 when memory ran out, or 2 for a kernel size there is no code for.
int execute(Pass pass, const Problem &p) {
    if (p.kernel_size < 1 || p.kernel_size > 11 || p.kernel_size % 2 == 0) return 2;
    if (p.batch == 0 || p.channels == 0 || p.height == 0 || p.width == 0) return 0;
    Plan plan = make_plan(pass, p);
    RunTask run = chosen_capability(p.capability).run;
    double products = (double)p.batch * p.channels * p.height * p.width * p.kernel_size * p.kernel_size;
    int64_t threads = std::min(p.threads, (int64_t)(products / GRAIN) + 1);
    return !share_tasks(threads, plan.tasks, [&](int64_t task) { run(plan, task); });
}

// The rows of a map with channels last, in pieces that do not depend on the number of threads, nor do the sums.
class NormRows {
public:
    explicit NormRows(const NormAct &call)
        : call_(call), run_(chosen_capability(call.capability).norm),
          piece_(std::max<int64_t>(1, PIECE / call.channels)), pieces_((call.rows + piece_ - 1) / piece_) {}

    int64_t pieces() const { return pieces_; }
    int64_t begin(int64_t piece) const { return std::min(call_.rows, piece * piece_); }

    void write(NormStep step, const NormPass &pass) const {
        share_tasks(call_.threads, pieces_, [&](int64_t task) { run_(step, pass, begin(task), begin(task + 1), nullptr); });
    }

    // (pieces, 2, channels)
    std::vector<float> sum(NormStep step, const NormPass &pass) const {
        int64_t width = 2 * call_.channels;
        std::vector<float> parts(pieces_ * width);
        bool done = share_tasks(call_.threads, pieces_, [&](int64_t task) {
            run_(step, pass, begin(task), begin(task + 1), parts.data() + task * width);
        });
        if (!done) throw std::bad_alloc();
        return parts;
    }

private:
    const NormAct &call_;
    RunNorm run_;
    int64_t piece_, pieces_;
};

void norm_act(const NormAct &a) {
    const NormRows rows(a);
    const int64_t C = a.channels;
    const double n = (double)a.rows;
    std::vector<float> scale(C), shift(C);
    NormPass pass{&a, scale.data(), shift.data(), nullptr, nullptr};
    const std::vector<float> parts = rows.sum(NormStep::moments, pass);
    std::vector<double> mean(C), squares(C);
    for (int64_t p = 0; p < rows.pieces(); p++)
        for (int64_t c = 0; c < C; c++) mean[c] += (rows.begin(p + 1) - rows.begin(p)) / n * parts[2 * p * C + c];
    for (int64_t p = 0; p < rows.pieces(); p++)
        for (int64_t c = 0; c < C; c++) {
            double away = parts[2 * p * C + c] - mean[c];
            squares[c] += parts[(2 * p + 1) * C + c] + (rows.begin(p + 1) - rows.begin(p)) * away * away;
        }
    for (int64_t c = 0; c < C; c++) {
        double inverse = 1 / std::sqrt(squares[c] / n + a.eps);
        a.mean[c] = (float)mean[c];
        a.inverse[c] = (float)inverse;
        a.running_mean[c] = (float)((1 - a.momentum) * a.running_mean[c] + a.momentum * mean[c]);
        a.running_var[c] = (float)((1 - a.momentum) * a.running_var[c] + a.momentum * squares[c] / (n - 1));
        scale[c] = (float)(a.weight[c] * inverse);
        shift[c] = (float)(a.bias[c] - mean[c] * scale[c]);  // of the rounded scale: they nearly cancel
    }
    rows.write(NormStep::apply, pass);
}

void norm_act_backward(const NormAct &a) {
    const NormRows rows(a);
    const int64_t C = a.channels;
    std::vector<float> scale(C), shift(C), slant(C), offset(C);
    for (int64_t c = 0; c < C; c++) {
        scale[c] = a.weight[c] * a.inverse[c];
        shift[c] = (float)(a.bias[c] - (double)a.mean[c] * scale[c]);
    }
    NormPass pass{&a, scale.data(), shift.data(), slant.data(), offset.data()};
    const std::vector<float> parts = rows.sum(NormStep::sums, pass);
    std::vector<double> sums(2 * C);
    for (int64_t p = 0; p < rows.pieces(); p++)
        for (int64_t i = 0; i < 2 * C; i++) sums[i] += parts[2 * p * C + i];
    for (int64_t c = 0; c < C; c++) {
        double mean = sums[c] / a.rows, along = sums[C + c] / a.rows;
        a.grad_bias[c] = (float)sums[c];
        a.grad_weight[c] = (float)(sums[C + c] * a.inverse[c]);
        slant[c] = (float)(-scale[c] * along * a.inverse[c] * a.inverse[c]);
        offset[c] = (float)(-scale[c] * mean);
    }
    rows.write(NormStep::gradient, pass);
}

// 0, or 1 when memory ran out.
int checked(void (*work)(const NormAct &), const NormAct &call) {
    try {
        work(call);
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}

// `run(begin, end)` over pieces of `count` units of `size` numbers each.
template <class Run>
void share_pieces(int64_t threads, int64_t count, int64_t size, const Run &run) {
    if (count == 0 || size == 0) return;
    int64_t piece = std::max<int64_t>(1, PIECE / size), pieces = (count + piece - 1) / piece;
    share_tasks(threads, pieces, [&](int64_t task) { run(task * piece, std::min(count, (task + 1) * piece)); });
}

}  // namespace

// Raised whenever a structure or a function below changes.
EXPORT int laconvnet_interface() { return 5; }

EXPORT void laconvnet_use_openmp(void *gomp_parallel) { openmp_parallel = reinterpret_cast<Parallel>(gomp_parallel); }

// Name of an instruction set the library was built for, or null past the last; `here` says whether this machine has it.
EXPORT const char *laconvnet_capability(int index, int *here) {
    if (index >= CAPABILITY_COUNT) return nullptr;
    *here = CAPABILITIES[index].here();
    return CAPABILITIES[index].name;
}

EXPORT int laconvnet_forward(const Problem *p) { return execute(Pass::forward, *p); }
EXPORT int laconvnet_grad_input(const Problem *p) { return execute(Pass::grad_input, *p); }
EXPORT int laconvnet_grad_weight(const Problem *p) { return execute(Pass::grad_weight, *p); }

EXPORT int laconvnet_norm_act(const NormAct *call) { return checked(norm_act, *call); }
EXPORT int laconvnet_norm_act_backward(const NormAct *call) { return checked(norm_act_backward, *call); }

EXPORT void laconvnet_transpose(const Transpose *t) {
    int64_t height = LINE / t->size, strips = t->count * ((t->rows + height - 1) / height), numbers = height * t->columns;
    share_pieces(t->threads, strips, numbers, [&](int64_t begin, int64_t end) {
        for (int64_t strip = begin; strip < end; strip++) turn_strip(*t, strip);
    });
}

EXPORT void laconvnet_affine_silu(const AffineSilu *a, int is_bfloat16, int64_t threads, int64_t capability) {
    RunAffineSilu run = chosen_capability(capability).affine_silu;
    share_pieces(threads, a->rows * a->pixels, 1, [&](int64_t begin, int64_t end) { run(*a, is_bfloat16, begin, end); });
}

EXPORT void laconvnet_unpack(const Unpack *u, int is_bfloat16, int64_t threads, int64_t capability) {
    RunUnpack run = chosen_capability(capability).unpack;
    share_pieces(threads, u->rows * u->packing * u->tokens, u->packing * u->channels,
                 [&](int64_t begin, int64_t end) { run(*u, is_bfloat16, begin, end); });
}

// Multiply-adds with one operand from the first-level cache, on all threads; returns the operations done.
EXPORT double laconvnet_multiply_add_loads(int64_t threads, int64_t rounds) {
    struct Loads {
        const Capability *capability;
        int64_t rounds;
        std::atomic<int> finished;
    } loads{&chosen_capability(-1), rounds, {0}};
    on_threads(threads, [](void *shared) {
        Loads &loads = *static_cast<Loads *>(shared);
        volatile float result = loads.capability->multiply_add_loads(loads.rounds);
        (void)result;
        loads.finished++;
    }, &loads);
    return 2.0 * 16 * loads.capability->lanes * (double)rounds * loads.finished;
}
