/* A matrix as it is stored, row by row -> as the products read it. */
#include <string.h>

#include "network.h"
#include "pool.h"
#include "tile.h"

typedef struct {
    const int8_t *values; /* (rows, columns) */
    int8_t *blocks;       /* (rows / 16, columns / 4, 16, 4): zeros beyond the rows and columns; then all plus WEIGHT_BIAS */
    int32_t *total;       /* (rows,) padded to 16 */
    uint8_t *calm;        /* (rows / 16, columns / 16) */
    int rows, columns;
} Packing;

static void one_block(const void *what, int job, int thread) {
    const Packing *p = what;
    int whole = (p->columns + 3) / 4 * 4;
    int8_t *block = p->blocks + (size_t)job * ROWS * whole;
    uint8_t *calm = p->calm + (size_t)job * runs(whole, RUN_COLUMNS);
    (void)thread;
    for (int w = 0; w < ROWS; w++) {
        int row = job * ROWS + w, sum = 0, columns = row < p->rows ? p->columns : 0, c = 0;
        const int8_t *values = p->values + (size_t)row * p->columns;
        for (; c + 4 <= columns; c += 4) memcpy(block + (size_t)c * ROWS + 4 * w, values + c, 4);
        for (; c < whole; c++) block[(size_t)(c / 4 * 4) * ROWS + 4 * w + c % 4] = c < columns ? values[c] : 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < columns; i++) sum += values[i];
        p->total[row] = sum;
    }
    for (int run = runs(whole, RUN_COLUMNS) - 1, run_length = 0, before = -1; run >= 0; run--) {
        int c = run * RUN_COLUMNS, is = is_calm(block + c * ROWS, (whole - c < RUN_COLUMNS ? whole - c : RUN_COLUMNS) / 4);
        run_length = is == before && run_length < 127 ? run_length + 1 : 1;
        calm[run] = (uint8_t)(run_length << 1 | is), before = is;
    }
    for (int i = 0; i < ROWS * whole && WEIGHT_BIAS; i++) block[i] = (int8_t)(block[i] + WEIGHT_BIAS);
}

void bark_pack(const int8_t *values, int32_t rows, int32_t columns, int8_t *blocks, int32_t *total, uint8_t *calm,
               int32_t threads) {
    Packing p = {values, blocks, total, calm, rows, columns};
    gather_helpers(threads);
    share(runs(rows, ROWS), one_block, &p);
    dismiss_helpers();
}
