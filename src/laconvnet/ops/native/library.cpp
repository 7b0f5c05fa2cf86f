// The interface of the shared library: plain C, no Python and no PyTorch, so that one build serves every version of both.

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "problem.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

void run_task_baseline(const Plan &, int64_t);
#if defined(__x86_64__)
void run_task_avx2(const Plan &, int64_t);
void run_task_avx512(const Plan &, int64_t);
#endif

namespace {

struct Capability {
    const char *name;
    RunTask run;
    bool (*here)();
};

// From the best to the one that always works.
const Capability CAPABILITIES[] = {
#if defined(__x86_64__)
    {"avx512", run_task_avx512,
     [] {
         return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
     }},
    {"avx2", run_task_avx2, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
#endif
    {"baseline", run_task_baseline, [] { return true; }},
};
constexpr int CAPABILITY_COUNT = sizeof CAPABILITIES / sizeof *CAPABILITIES;

// Entry of the OpenMP runtime that PyTorch has loaded: its threads are used, no second runtime is started.
using Parallel = void (*)(void (*)(void *), void *, unsigned threads, unsigned flags);
Parallel openmp_parallel = nullptr;

constexpr double GRAIN = 1e6;            // multiply-adds below which a second thread costs more than it saves
constexpr int64_t BUFFER = 96 * 1024;    // floats of image a task copies: with the kernels it stays in a core's own cache
constexpr int64_t COLUMNS = 128;         // widest block

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

struct Team {
    const Plan *plan;
    RunTask run;
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
};

void work(void *shared) {
    Team &team = *static_cast<Team *>(shared);
    try {
        for (int64_t task; !team.failed && (task = team.next++) < team.plan->tasks;) team.run(*team.plan, task);
    } catch (const std::exception &) {
        team.failed = true;
    }
}

// 0, or 1 when memory ran out.
int execute(Pass pass, const Problem &p) {
    if (p.batch == 0 || p.channels == 0 || p.height == 0 || p.width == 0) return 0;
    Plan plan = make_plan(pass, p);
    int chosen = 0;
    while (p.capability < 0 ? !CAPABILITIES[chosen].here() : chosen != p.capability) chosen++;
    Team team{&plan, CAPABILITIES[chosen].run};
    double products = (double)p.batch * p.channels * p.height * p.width * p.kernel_size * p.kernel_size;
    int64_t threads = std::min({p.threads, plan.tasks, (int64_t)(products / GRAIN) + 1});
    if (threads <= 1) work(&team);
    else if (openmp_parallel) openmp_parallel(work, &team, (unsigned)threads, 0);
    else {
        std::vector<std::thread> others;
        for (int64_t i = 1; i < threads; i++) others.emplace_back(work, &team);
        work(&team);
        for (std::thread &other : others) other.join();
    }
    return team.failed;
}

}  // namespace

// Raised whenever `Problem` or a function below changes.
EXPORT int laconvnet_interface() { return 1; }

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
