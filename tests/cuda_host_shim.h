// What a CUDA C function needs in order to be a C++ function: the built-in names, and a loop for the launch.
#include <cmath>

#define __global__
#define __device__

struct Dim3 { unsigned x, y, z; };
static thread_local Dim3 gridDim, blockDim, blockIdx, threadIdx;

// In CUDA these are overloaded for all numbers; in C++ only within std.
using std::exp;
using std::expm1;
using std::fabs;
using std::fmax;
using std::fmin;
using std::isnan;
using std::log;
using std::log1p;
using std::pow;
using std::sqrt;
using std::tanh;
using std::trunc;

template <class N> static N max(N a, N b) { return a < b ? b : a; }
template <class N> static N min(N a, N b) { return b < a ? b : a; }

static unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned __int128)a * b >> 64;
}

// One thread runs at a time, so that a plain update is atomic.
template <class N> static N atomicAdd(N* at, N value) { N old = *at; *at += value; return old; }
template <class N> static N atomicMin(N* at, N value) { N old = *at; if (value < old) *at = value; return old; }
template <class N> static N atomicMax(N* at, N value) { N old = *at; if (value > old) *at = value; return old; }

static bool enter_thread(unsigned grid, unsigned block, bool reverse, unsigned long long number)
{
    unsigned long long last = (unsigned long long)grid * block - 1;
    if (number > last)
        return false;
    unsigned long long thread = reverse ? last - number : number;
    gridDim = {grid, 1, 1};
    blockDim = {block, 1, 1};
    blockIdx = {(unsigned)(thread / block), 0, 0};
    threadIdx = {(unsigned)(thread % block), 0, 0};
    return true;
}

#define EACH_THREAD(grid, block, reverse) \
    for (unsigned long long number = 0; enter_thread(grid, block, reverse, number); number++)
