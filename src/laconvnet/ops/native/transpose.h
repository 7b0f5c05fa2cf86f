// Matrices turned over, with numbers of 2 or 4 bytes.

#pragma once

#include <cstdint>

extern "C" {

// Mirrored field by field by `Transpose` in library.py: `from` (count, rows, columns) to `to` (count, columns, rows).
struct Transpose {
    const void *from;
    void *to;
    int64_t count, rows, columns, size, threads;
};

}

constexpr int64_t LINE = 64;  // bytes; a strip is so many bytes of rows, of one matrix

void turn_strip(const Transpose &t, int64_t strip);
