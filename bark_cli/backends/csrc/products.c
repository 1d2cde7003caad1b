/* Int8 matrices times rounded inputs: exact integer sums, then scale, bias and what becomes of them.
 *
 * A matrix is stored in blocks of 16 rows, a block in lines of 64 bytes: four columns of each row. A thread takes
 * some blocks and reads each from first to last as it lies in memory, for all inputs.
 */
#include <string.h>

#include "lanes.h"
#include "pool.h"
#include "tile.h"

#define GROUP 8    /* blocks that many inputs meet in turn, while a cache holds them */
#define NEAR 48    /* inputs that meet all blocks of a group before the next do: what they become lies together */
#define CHUNK 1024 /* columns of a block that stay in the nearest cache while all inputs meet them */

/* What becomes of the sums of a block with one input, whose step is `step`: to (rows,) */
static inline void finish(const Matrix *m, int first, const int32_t *sums, float step, int end, float *to) {
    int rows = m->rows - first < ROWS ? m->rows - first : ROWS;
    float y[ROWS];
    for (int w = 0; w < ROWS; w++)
        y[w] = (float)(sums[w] - INPUT_BIAS * m->total[first + w]) * m->scale[first + w] * step;
    if (m->bias)
        for (int w = 0; w < ROWS; w++) y[w] += m->bias[first + w];
    if (end == GELU)
        for (int w = 0; w < ROWS; w++) y[w] = gelu(y[w]);
    if (end == ADD)
        for (int w = 0; w < rows; w++) y[w] += to[w];
    if (rows == ROWS) memcpy(to, y, sizeof y); /* a constant size is a few stores and no call */
    else memcpy(to, y, sizeof(float) * (size_t)rows);
}

typedef struct {
    const Matrix *m;
    const Scratch *s;
    float *out;
    int n, end;
    int each; /* blocks to a job */
} Product;

/* A block of 16 rows, from row `first` on, times the inputs from .. from + n. */
static void block(const Product *p, int first, int from, int n) {
    const Matrix *m = p->m;
    int32_t sums[NEAR][ROWS];
    size_t stride = input_bytes(m->columns);
    const uint8_t *x = p->s->rounded + from * stride;
    const int8_t *lines = m->values + (size_t)first * m->columns;
    const uint8_t *calm = m->calm + (size_t)(first / ROWS) * runs(m->columns, RUN_COLUMNS);
    memset(sums, 0, sizeof sums[0] * (size_t)n);
    for (int c = 0, columns; c < m->columns; c += columns) {
        const uint8_t run = calm[c / RUN_COLUMNS];
        columns = columns_alike(run, m->columns - c < CHUNK ? m->columns - c : CHUNK);
        multiply(run & 1 ? calm_tiles : block_tiles, lines + 16 * (size_t)c, x + input_place(c), stride, columns, n, sums);
    }
    multiply_taken(lines, x, stride, m->columns, n, sums);
    for (int i = 0; i < n; i++)
        finish(m, first, sums[i], p->s->steps[from + i], p->end, p->out + (size_t)(from + i) * m->rows + first);
}

static void some_blocks(const void *what, int job, int thread) {
    const Product *p = what;
    (void)thread;
    int begin = job * p->each * ROWS, end = begin + p->each * ROWS < p->m->rows ? begin + p->each * ROWS : p->m->rows;
    begin_tiles();
    for (int group = begin; group < end; group += GROUP * ROWS)
        for (int i = 0; i < p->n; i += NEAR)
            for (int first = group; first < end && first < group + GROUP * ROWS; first += ROWS)
                block(p, first, i, p->n - i < NEAR ? p->n - i : NEAR);
    end_tiles();
}

void product(const Matrix *m, const Scratch *s, int n, float *out, int end) {
    int blocks = runs(m->rows, ROWS), team = team_size();
    /* sixteen jobs to each thread: who comes late, or is slower, leaves little to wait for */
    int each = team == 1 ? blocks : runs(blocks, 16 * team);
    Product p = {m, s, out, n, end, each};
    share(runs(blocks, each), some_blocks, &p);
}
