/* Attention: queries, keys and values -> what each query finds, for steps of many sequences and for whole windows.
 *
 * Keys and values are kept in bfloat16; a cache of one sequence is (layers, 2, heads, positions, size).
 * Of a window they are laid out in panels of 16, keys so that 16 of them meet a query at once and values so that 16
 * of their numbers do: both are then products of the same kind, of a few rows with panels.
 */
#include <math.h>

#include "bands.h"
#include "lanes.h"
#include "pool.h"

#define STRIP 256   /* values of a panel that stay in the nearest cache while all queries meet them */
#define MOST_SIZE 8 /* vectors of a head that steps keep in registers */

static uint16_t *cache_of(const Network *net, uint16_t *cache, int layer, int which, int head) {
    int size = net->width / net->n_head;
    return cache + (((size_t)layer * 2 + which) * net->n_head + head) * net->block * size;
}

static void remember(const Network *net, uint16_t *cache, int layer, int position, const float *row) {
    int size = net->width / net->n_head;
    for (int which = 0; which < 2; which++)
        for (int head = 0; head < net->n_head; head++) {
            uint16_t *to = cache_of(net, cache, layer, which, head) + (size_t)position * size;
            const float *from = row + (size_t)(which + 1) * net->width + (size_t)head * size;
            for (int i = 0; i < size; i++) to[i] = to_bf16(from[i]);
        }
}

/* ---- steps ---- */

/* dots[k] = query . key k, for `count` keys of whole vectors */
INLINE void dots_of(const float *query, const uint16_t *keys, int count, int vectors, float *dots) {
    Floats q[MOST_SIZE * 2];
    for (int v = 0; v < vectors; v++) q[v] = load(query + LANES * v);
    for (int t = 0; t < count; t++, keys += LANES * vectors) {
        for (int v = 0; v < vectors; v += 32 / LANES) __builtin_prefetch(keys + LANES * v + 512);
        Floats sum = q[0] * load_bf16(keys);
        for (int v = 1; v < vectors; v++) sum += q[v] * load_bf16(keys + LANES * v);
        dots[t] = total(sum);
    }
}

/* out = the sum of weights[k] * value k, of whole vectors */
INLINE void gather_of(const float *weights, const uint16_t *values, int count, int vectors, float *out) {
    Floats sum[MOST_SIZE * 2];
    for (int v = 0; v < vectors; v++) sum[v] = all(0.0f);
    for (int t = 0; t < count; t++, values += LANES * vectors) {
        for (int v = 0; v < vectors; v += 32 / LANES) __builtin_prefetch(values + LANES * v + 512);
        for (int v = 0; v < vectors; v++) sum[v] += weights[t] * load_bf16(values + LANES * v);
    }
    for (int v = 0; v < vectors; v++) store(out + LANES * v, sum[v]);
}

static void dots(const float *query, const uint16_t *keys, int count, int size, float *out) {
    if (size == 64) {
        dots_of(query, keys, count, 64 / LANES, out);
        return;
    }
    for (int t = 0; t < count; t++) {
        const uint16_t *key = keys + (size_t)t * size;
        float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
        for (int i = 0; i < size; i++) dot += query[i] * from_bf16(key[i]);
        out[t] = dot;
    }
}

static void gather(const float *weights, const uint16_t *values, int count, int size, float *out) {
    if (size == 64) {
        gather_of(weights, values, count, 64 / LANES, out);
        return;
    }
    for (int i = 0; i < size; i++) out[i] = 0.0f;
    for (int t = 0; t < count; t++) {
        const uint16_t *value = values + (size_t)t * size;
#pragma omp simd
        for (int i = 0; i < size; i++) out[i] += weights[t] * from_bf16(value[i]);
    }
}

/* scores (count,) -> e to their power, as far as `seen`, and zeros beyond; returns 1 / their sum */
static float soften(float *scores, int seen, int count, float scale) {
    float largest = -INFINITY, sum = 0.0f;
#pragma omp simd reduction(max : largest)
    for (int t = 0; t < seen; t++) largest = scores[t] > largest ? scores[t] : largest;
#pragma omp simd reduction(+ : sum)
    for (int t = 0; t < seen; t++) {
        scores[t] = exponential((scores[t] - largest) * scale);
        sum += scores[t];
    }
    for (int t = seen; t < count; t++) scores[t] = 0.0f;
    return 1.0f / sum;
}

typedef struct {
    const Network *net;
    const Scratch *s;
    int layer, n, first;
    uint16_t *const *caches; /* of a window one or NULL */
    const int32_t *positions;
} Attention;

/* A thread's own; `positions` of Scratch are at least a block's */
static float *scores_of(const Attention *a, int thread) {
    return a->s->scores + (size_t)thread * QUERIES * (size_t)(panels(a->net->block) + 1) * PANEL;
}

static void one_step(const void *what, int job, int thread) {
    const Attention *a = what;
    const Network *net = a->net;
    int i = job / net->n_head, head = job % net->n_head, size = net->width / net->n_head, seen = a->positions[i] + 1;
    const float *query = a->s->mixed + (size_t)i * 3 * net->width + (size_t)head * size;
    float *scores = scores_of(a, thread);
    float *out = a->s->found + (size_t)i * net->width + (size_t)head * size;
    dots(query, cache_of(net, a->caches[i], a->layer, 0, head), seen, size, scores);
    float scale = soften(scores, seen, seen, 1.0f / sqrtf((float)size));
    gather(scores, cache_of(net, a->caches[i], a->layer, 1, head), seen, size, out);
    for (int c = 0; c < size; c++) out[c] *= scale;
}

void attend_steps(const Network *net, const Scratch *s, int layer, int n, uint16_t *const *caches,
                  const int32_t *positions) {
    Attention a = {net, s, layer, n, 0, caches, positions};
    for (int i = 0; i < n; i++) remember(net, caches[i], layer, positions[i], s->mixed + (size_t)i * 3 * net->width);
    share(n * net->n_head, one_step, &a);
}

/* ---- windows ---- */

/* One head's keys as panels (positions / 16, size, 16), its values as panels (size / 16, positions, 16); 16 positions of
 * them, and what the cache is to keep. */
static void lay_out(const void *what, int job, int thread) {
    const Attention *a = what;
    int width = a->net->width, heads = a->net->n_head, size = width / heads, whole = panels(a->n) * PANEL;
    int head = job % heads, first = job / heads * PANEL, count = a->n - first < PANEL ? a->n - first : PANEL;
    float *keys = a->s->keys + ((size_t)head * whole + first) * size;
    float *values = a->s->values + (size_t)head * panels(size) * PANEL * whole;
    (void)thread;
    memset(keys, 0, sizeof(float) * PANEL * (size_t)size);
    for (int t = 0; t < count; t++) {
        const float *key = a->s->mixed + ((size_t)(first + t) * 3 + 1) * width + (size_t)head * size;
        for (int i = 0; i < size; i++) keys[i * PANEL + t] = from_bf16(to_bf16(key[i]));
    }
    for (int t = 0; t < PANEL; t++)
        for (int c = 0; c < size; c += PANEL) {
            const float *value = a->s->mixed + ((size_t)(first + t) * 3 + 2) * width + (size_t)head * size + c;
            float *to = values + ((size_t)(c / PANEL) * whole + first + t) * PANEL;
            int some = t >= count ? 0 : size - c < PANEL ? size - c : PANEL;
            for (int i = 0; i < some; i++) to[i] = from_bf16(to_bf16(value[i]));
            for (int i = some; i < PANEL; i++) to[i] = 0.0f;
        }
    for (int which = 0; which < 2 && a->caches; which++) {
        uint16_t *cache = cache_of(a->net, a->caches[0], a->layer, which, head) + (size_t)first * size;
        for (int t = 0; t < count; t++) {
            const float *row = a->s->mixed + ((size_t)(first + t) * 3 + 1 + which) * width + (size_t)head * size;
            for (int i = 0; i < size; i++) cache[(size_t)t * size + i] = to_bf16(row[i]);
        }
    }
}

/* What QUERIES of one head find. */
static void some_queries(const void *what, int job, int thread) {
    const Attention *a = what;
    int heads = a->net->n_head, width = a->net->width, size = width / heads, whole = panels(a->n) * PANEL;
    int head = job % heads, start = a->first + job / heads * QUERIES;
    int rows = a->n - start < QUERIES ? a->n - start : QUERIES;
    int seen = a->caches ? start + rows : a->n, reach = panels(seen) * PANEL; /* by the last of them */
    size_t step = (size_t)reach + PANEL; /* rows whole pages apart would compete for the same lines of a cache */
    const float *queries = a->s->mixed + (size_t)start * 3 * width + (size_t)head * size;
    const float *keys = a->s->keys + (size_t)head * size * whole;
    const float *values = a->s->values + (size_t)head * panels(size) * PANEL * whole;
    float *scores = scores_of(a, thread), inverse[QUERIES];
    memset(scores, 0, sizeof(float) * step * (size_t)rows);
    for (int k = 0; k < reach; k += PANEL)
        bands(queries, 3 * (size_t)width, keys + (size_t)k * size, size, rows, scores + k, step);
    for (int r = 0; r < rows; r++)
        inverse[r] = soften(scores + (size_t)r * step, a->caches ? start + r + 1 : a->n, reach, 1.0f / sqrtf((float)size));
    for (int p = 0; p < panels(size); p++) {
        float found[QUERIES][PANEL] = {{0}};
        for (int k = 0; k < reach; k += STRIP)
            bands(scores + k, step, values + ((size_t)p * whole + k) * PANEL, reach - k < STRIP ? reach - k : STRIP,
                  rows, found[0], PANEL);
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < PANEL && p * PANEL + i < size; i++)
                a->s->found[((size_t)start + r) * width + (size_t)head * size + p * PANEL + i] = found[r][i] * inverse[r];
    }
}

void attend_window(const Network *net, const Scratch *s, int layer, int n, int first, uint16_t *cache) {
    Attention a = {net, s, layer, n, first, cache ? &cache : NULL, NULL};
    share(net->n_head * panels(n), lay_out, &a);
    share(net->n_head * runs(n - first, QUERIES), some_queries, &a);
}
