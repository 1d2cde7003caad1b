/* The kernel without Python, for processors that only an emulator has here: exact sums, then a small network's states.
 *
 * Compiled together with csrc/ for one instruction set. Ends with 1 where a sum is not the integer it must be, a
 * window is not what it is alone, or a thread is not of the team; prints the hidden states of a prompt, a step and a
 * window, which another instruction set's must be near.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "pool.h"

void bark_pack(const int8_t *, int32_t, int32_t, int8_t *, int32_t *, uint8_t *, int32_t);
void bark_floats(const void *, int32_t, const float *, int32_t, int32_t, int32_t, const float *, float *, int32_t);

enum { THREADS = 3, WIDTH = 128, HEADS = 2, LAYERS = 2, BLOCK = 96, N = 40 };

static uint64_t state = 88172645463325252ull;
static int draw(int below) { /* xorshift */
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (int)(state >> 33) % below;
}
static void *room(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 4096) / 64 * 64); /* products look ahead */
    memset(memory, 0, bytes);
    return memory;
}
static float *floats(int count, float base, float spread) {
    float *to = room(sizeof(float) * (size_t)(count + ROWS));
    for (int i = 0; i < count; i++) to[i] = base + spread * ((float)draw(2001) / 1000.0f - 1.0f);
    return to;
}

/* (rows, columns) weights, extremes included */
static int8_t *weights(int rows, int columns, int extreme) {
    int8_t *values = room((size_t)rows * columns);
    for (int row = 0; row < rows; row++)
        for (int c = 0; c < columns; c++)
            values[row * columns + c] = (int8_t)(extreme && row % 3 == 0 ? (row % 2 ? 127 : -127) : draw(255) - 127);
    return values;
}

/* They as a matrix, with scales that are all `scale`. */
static Matrix matrix(const int8_t *values, int rows, int columns, float scale) {
    size_t blocks = (size_t)(rows + ROWS - 1) / ROWS;
    int8_t *packed = room(blocks * ROWS * columns);
    float *scales = room(sizeof(float) * blocks * ROWS);
    int32_t *totals = room(sizeof(int32_t) * blocks * ROWS);
    uint8_t *calm = room(blocks * (size_t)(columns / RUN_COLUMNS + 1));
    for (int row = 0; row < rows; row++) scales[row] = scale;
    bark_pack(values, rows, columns, packed, totals, calm, THREADS);
    return (Matrix){packed, scales, NULL, totals, calm, rows, columns};
}

static int wrong(int rows, int columns, int n) {
    const int8_t *values = weights(rows, columns, 1);
    Matrix m = matrix(values, rows, columns, 1.0f);
    Scratch s = {.rounded = room(PART * (size_t)bark_input_bytes(columns)), .steps = room(sizeof(float) * PART)};
    float *x = room(sizeof(float) * (size_t)n * columns), *y = room(sizeof(float) * (size_t)n * rows);
    for (int i = 0; i < n; i++)
        for (int c = 0; c < columns; c++) /* a largest value of 127 makes steps of 1 */
            x[(size_t)i * columns + c] = (float)(c == 0 ? 127 : i % 2 && columns <= 1040 ? (i % 4 == 1 ? 127 : -127) : draw(255) - 127);
    bark_product(&m, &s, n, columns, x, y, THREADS);
    int bad = 0;
    for (int i = 0; i < n; i++)
        for (int row = 0; row < rows; row++) {
            int sum = 0;
            for (int c = 0; c < columns; c++) sum += values[row * columns + c] * (int)x[(size_t)i * columns + c];
            bad += y[(size_t)i * rows + row] != (float)sum;
        }
    if (bad) printf("%d x %d, %d inputs: %d sums are wrong\n", rows, columns, n, bad);
    return bad;
}

/* Rows of floats, some of which must be the same with others and alone: how many numbers are not. */
static int unlike_alone(int rows, int columns, int halves) {
    enum { INPUTS = 7 };
    float *values = floats(rows * columns, 0.0f, 1.0f), *x = floats(INPUTS * columns, 0.0f, 3.0f);
    float *together = room(sizeof(float) * INPUTS * (size_t)rows), *alone = room(sizeof(float) * (size_t)rows);
    int bad = 0;
    if (halves)
        for (int i = 0; i < rows * columns; i++) ((uint16_t *)values)[i] = (uint16_t)(0x3f00 + draw(200));
    bark_floats(values, halves, NULL, rows, columns, INPUTS, x, together, THREADS);
    for (int i = 0; i < INPUTS; i++) {
        bark_floats(values, halves, NULL, rows, columns, 1, x + (size_t)i * columns, alone, THREADS);
        for (int row = 0; row < rows; row++) bad += alone[row] != together[(size_t)i * rows + row];
    }
    if (bad) printf("%d x %d floats: %d are not what they are alone\n", rows, columns, bad);
    return bad;
}

static void print(const char *name, const float *x, int count) {
    printf("%s", name);
    for (int i = 0; i < count; i++) printf(" %.6g", (double)x[i]);
    printf("\n");
}

static Matrix random_matrix(int rows, int columns) {
    return matrix(weights(rows, columns, 0), rows, columns, 0.002f);
}

/* Windows with so many Scratches: how many numbers are not what they are alone. */
static int unlike_one(const Network *net, const Scratch *s, int rooms) {
    enum { WINDOWS = 6 };
    Window together[WINDOWS], alone[WINDOWS];
    int bad = 0;
    for (int i = 0; i < WINDOWS; i++) {
        int n = BLOCK - 7 * i;
        size_t bytes = sizeof(float) * (size_t)n * WIDTH;
        together[i] = (Window){floats(n * WIDTH, 0.0f, 1.0f), NULL, n, 0};
        alone[i] = (Window){memcpy(room(bytes), together[i].x, bytes), NULL, n, 0};
        bark_windows(net, s, 1, 1, alone + i, 1);
    }
    bark_windows(net, s, rooms, WINDOWS, together, THREADS);
    for (int i = 0; i < WINDOWS; i++)
        for (int at = 0; at < together[i].n * WIDTH; at++) bad += together[i].x[at] != alone[i].x[at];
    if (bad) printf("%d windows in %d rooms: %d numbers are not what they are alone\n", WINDOWS, rooms, bad);
    return bad;
}

static int network(void) {
    Layer layers[LAYERS];
    for (int l = 0; l < LAYERS; l++) {
        layers[l] = (Layer){floats(WIDTH, 1.0f, 0.1f), NULL, floats(WIDTH, 1.0f, 0.1f), floats(WIDTH, 0.0f, 0.1f),
                            random_matrix(3 * WIDTH, WIDTH), random_matrix(WIDTH, WIDTH),
                            random_matrix(4 * WIDTH, WIDTH), random_matrix(WIDTH, 4 * WIDTH)};
    }
    Network net = {layers, floats(WIDTH, 1.0f, 0.1f), NULL, LAYERS, HEADS, WIDTH, BLOCK};
    size_t f = sizeof(float), places = PART, layer = HEADS * ((BLOCK + SPAN - 1) / SPAN) * span_bytes(WIDTH / HEADS);
    Scratch s[THREADS];
    for (int i = 0; i < THREADS; i++) {
        size_t rows = i ? PART : THREADS * SHARE;
        s[i] = (Scratch){room(rows * (size_t)bark_input_bytes(4 * WIDTH)), room(rows * f), room(rows * 4 * WIDTH * f),
                         room(places * 3 * WIDTH * f), room(places * WIDTH * f), room(layer)};
    }
    uint8_t *cache = room(LAYERS * layer), *caches[] = {cache};
    int32_t positions[] = {N};
    float *x = floats((N + 1) * WIDTH, 0.0f, 1.0f), *all = floats(BLOCK * WIDTH, 0.0f, 1.0f);
    Window prompt = {x, cache, N, N - 2}, window = {all, NULL, BLOCK, 50};
    bark_windows(&net, s, 1, 1, &prompt, THREADS);
    print("prompt", x + (N - 2) * WIDTH, 2 * WIDTH);
    bark_step(&net, s, 1, x + N * WIDTH, caches, positions, THREADS);
    print("step", x + N * WIDTH, WIDTH);
    bark_windows(&net, s, 1, 1, &window, THREADS);
    print("window", all + 50 * WIDTH, (BLOCK - 50) * WIDTH);
    return unlike_one(&net, s, 1) + unlike_one(&net, s, THREADS);
}

static atomic_int strangers;
static void count_stranger(const void *team, int job, int thread) {
    (void)job;
    if (thread >= *(const int *)team) atomic_fetch_add(&strangers, 1);
}

/* Whether a helper of a large team, who comes late, takes a job of a smaller one. */
static int late_helpers(void) {
    for (int round = 0; round < 20000; round++) {
        gather_helpers(round % 2 ? 3 : 12);
        int team = team_size();
        share(24, count_stranger, &team);
        dismiss_helpers();
    }
    if (strangers) printf("%d jobs were taken by helpers of a larger team\n", strangers);
    return strangers != 0;
}

int main(void) {
    int bad = 0;
    for (int n = 1; n <= 33; n++) bad += wrong(70, 44, n) + wrong(33, 128, n);
    bad += wrong(16, 3072, 17) + wrong(48, 1040, 5) + wrong(20, 64, 1024);
    for (int halves = 0; halves < 2; halves++) bad += unlike_alone(70, 45, halves) + unlike_alone(33, 2100, halves);
    bad += network() + late_helpers();
    return bad != 0;
}
