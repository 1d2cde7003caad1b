/* A matrix as it is stored, row by row -> as the products read it. */
#include <string.h>

#include "network.h"
#include "pool.h"
#include "tile.h"

typedef struct {
    const int8_t *values; /* (rows, columns) */
    int8_t *blocks;       /* (rows / 16, columns / 4, 16, 4): zeros beyond the rows and columns */
    int32_t *total;       /* (rows,) padded to 16 */
    uint8_t *calm;        /* (rows / 16,) */
    int rows, columns;
} Packing;

/* Whether no input makes the sums of any LONG_RUN lines overflow 16 bits, of which each takes two columns of a row. */
static int is_calm(const int8_t *block, int lines) {
    for (int first = 0; first + LONG_RUN <= lines && LONG_RUN; first += LONG_RUN) {
        int16_t above[2 * ROWS] = {0}, below[2 * ROWS] = {0}; /* what the positive and the negative weights add up to */
        for (int line = first; line < first + LONG_RUN; line++) {
            const int8_t *pairs = block + 4 * ROWS * (size_t)line;
#pragma omp simd
            for (int i = 0; i < 2 * ROWS; i++) {
                int16_t one = pairs[2 * i], other = pairs[2 * i + 1];
                above[i] = (int16_t)(above[i] + (one > 0 ? one : 0) + (other > 0 ? other : 0));
                below[i] = (int16_t)(below[i] - (one < 0 ? one : 0) - (other < 0 ? other : 0));
            }
        }
        for (int i = 0; i < 2 * ROWS; i++)
            if (above[i] * LARGEST > INT16_MAX || below[i] * LARGEST > INT16_MAX) return 0;
    }
    return 1;
}

static void one_block(const void *what, int job, int thread) {
    const Packing *p = what;
    int whole = (p->columns + 3) / 4 * 4;
    int8_t *block = p->blocks + (size_t)job * ROWS * whole;
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
    p->calm[job] = (uint8_t)is_calm(block, whole / 4);
}

void bark_pack(const int8_t *values, int32_t rows, int32_t columns, int8_t *blocks, int32_t *total, uint8_t *calm,
               int32_t threads) {
    Packing p = {values, blocks, total, calm, rows, columns};
    gather_helpers(threads);
    share(runs(rows, ROWS), one_block, &p);
    dismiss_helpers();
}
