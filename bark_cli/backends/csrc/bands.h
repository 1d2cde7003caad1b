/* Products of a few rows with a panel, whose 16 columns lie together. */
#ifndef BARK_BANDS_H
#define BARK_BANDS_H

#include "lanes.h"

/* rows of a product with a panel whose sums fit the registers */
#if defined(__AVX512F__)
#define BAND 12
#elif defined(__AVX2__) || defined(__aarch64__)
#define BAND 6
#else
#define BAND 3
#endif

static inline int panels(int count) { return (count + PANEL - 1) / PANEL; }

/* out (rows, PANEL) += x (rows, count) times panel (count, PANEL); rows of x and out begin every so many floats */
INLINE void band(const float *x, size_t x_step, const float *panel, int count, int rows, float *out, size_t out_step) {
    enum { VECTORS = PANEL / LANES };
    Floats sum[BAND][VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) sum[r][v] = load(out + r * out_step + LANES * v);
    for (int i = 0; i < count; i++, panel += PANEL) {
        Floats line[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) line[v] = load(panel + LANES * v);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) sum[r][v] += x[r * x_step + i] * line[v];
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) store(out + r * out_step + LANES * v, sum[r][v]);
}

/* The same for any number of rows. What a row becomes does not depend on which others are there. */
static inline void bands(const float *x, size_t x_step, const float *panel, int count, int rows, float *out, size_t out_step) {
    int r = 0;
    for (; r + BAND <= rows; r += BAND) band(x + r * x_step, x_step, panel, count, BAND, out + r * out_step, out_step);
    for (; r < rows; r++) band(x + r * x_step, x_step, panel, count, 1, out + r * out_step, out_step);
}

#endif
