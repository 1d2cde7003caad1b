/* Rows of floats times a matrix of float32 or bfloat16 that lies as torch keeps it.
 *
 * Each result is a sum of its own, always in the same order: as many products at a time as this processor adds, from
 * the first column of a chunk to its last, one chunk after the other. So a row becomes the same in any company, and the
 * matrix is read once for all.
 */
#include "lanes.h"
#include "pool.h"

#define OUTPUTS 4  /* rows of the matrix that are multiplied at once */
#define INPUTS (LANES == 8 ? 2 : 4) /* that meet them at once: AVX2 has registers for so many sums */
#define CHUNK 1024 /* columns of them that stay in the nearest cache while all inputs meet them */

typedef struct {
    const float *x;
    const void *values;
    const float *bias;
    float *y;
    int n, columns, rows, halves, each; /* halves: the matrix is of bfloat16 */
} Floating;

/* y += x times the matrix, for inputs from `i` on, rows of the matrix from `row` on and columns from `c` on */
INLINE void tile(const Floating *f, int halves, int i, int inputs, int row, int outputs, int c, int columns) {
    size_t wide = (size_t)f->columns, first = (size_t)row * wide + (size_t)c;
    const float *x = f->x + (size_t)i * wide + c, *floats = (const float *)f->values + first;
    const uint16_t *bf16 = (const uint16_t *)f->values + first;
    Floats sum[INPUTS][OUTPUTS];
#pragma GCC unroll 4
    for (int a = 0; a < inputs; a++)
#pragma GCC unroll 4
        for (int o = 0; o < outputs; o++) sum[a][o] = all(0.0f);
    int k = 0;
    for (; k + LANES <= columns; k += LANES) {
        Floats line[OUTPUTS];
#pragma GCC unroll 4
        for (int o = 0; o < outputs; o++) line[o] = halves ? load_bf16(bf16 + o * wide + k) : load(floats + o * wide + k);
        if (i == 0) /* the next rows of the matrix */
#pragma GCC unroll 4
            for (int o = OUTPUTS; o < 2 * OUTPUTS; o++)
                __builtin_prefetch(halves ? (const void *)(bf16 + o * wide + k) : floats + o * wide + k);
#pragma GCC unroll 4
        for (int a = 0; a < inputs; a++) {
            Floats some = load(x + a * wide + k);
#pragma GCC unroll 4
            for (int o = 0; o < outputs; o++) sum[a][o] += some * line[o];
        }
    }
#pragma GCC unroll 4
    for (int a = 0; a < inputs; a++)
#pragma GCC unroll 4
        for (int o = 0; o < outputs; o++) {
            float rest = 0.0f;
            for (int t = k; t < columns; t++)
                rest += x[a * wide + t] * (halves ? from_bf16(bf16[o * wide + t]) : floats[o * wide + t]);
            f->y[(size_t)(i + a) * f->rows + row + o] += total(sum[a][o]) + rest;
        }
}

/* All inputs meet so many rows of the matrix. */
INLINE void meet(const Floating *f, int halves, int row, int outputs) {
    for (int i = 0; i < f->n; i++)
        for (int o = 0; o < outputs; o++) f->y[(size_t)i * f->rows + row + o] = f->bias ? f->bias[row + o] : 0.0f;
    for (int c = 0; c < f->columns; c += CHUNK) {
        int columns = f->columns - c < CHUNK ? f->columns - c : CHUNK, i = 0;
        for (; i + INPUTS <= f->n; i += INPUTS) tile(f, halves, i, INPUTS, row, outputs, c, columns);
        for (; i < f->n; i++) tile(f, halves, i, 1, row, outputs, c, columns);
    }
}

INLINE void meet_all(const Floating *f, int halves, int row, int end) {
    for (; row + OUTPUTS <= end; row += OUTPUTS) meet(f, halves, row, OUTPUTS);
    for (; row < end; row++) meet(f, halves, row, 1);
}

static void some_outputs(const void *what, int job, int thread) {
    const Floating *f = what;
    int row = job * f->each, end = row + f->each < f->rows ? row + f->each : f->rows;
    (void)thread;
    if (f->halves) meet_all(f, 1, row, end);
    else meet_all(f, 0, row, end);
}

/* y (n, rows) = x (n, columns) times the matrix (rows, columns), of bfloat16 if `halves`, plus bias (rows,) or NULL. */
void bark_floats(const void *values, int32_t halves, const float *bias, int32_t rows, int32_t columns, int32_t n,
                 const float *x, float *y, int32_t threads) {
    gather_helpers(threads);
    int each = runs(runs(rows, OUTPUTS), 16 * team_size()) * OUTPUTS;
    Floating f = {x, values, bias, y, n, columns, rows, halves, each};
    share(runs(rows, each), some_outputs, &f);
    dismiss_helpers();
}
