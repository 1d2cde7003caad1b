/* Attention: queries, keys and values -> what each query finds, for steps of many sequences and for whole windows.
 *
 * Queries, keys and values are rounded to 8 bits, each by the largest of its own numbers in a head, and so are the
 * weights of a span of positions by the largest of them. Both products are sums of integers, by the tiles that multiply
 * matrices; what is between them is float, span by span with the largest score so far (Milakov and Gimelshein 2018,
 * "Online normalizer calculation for softmax"). What a query finds does not depend on who searches beside it.
 */
#include <math.h>
#include <string.h>

#include "cache.h"
#include "lanes.h"
#include "pool.h"
#include "tile.h"

#define LOG2_E 1.44269504f
#define LARGEST_WEIGHT (BIAS ? 255 : 127) /* weights are not negative: no bias is added to them */

typedef struct {
    const Network *net;
    const Scratch *s;
    int layer, n, first;
    uint8_t *const *caches; /* of a window one or NULL */
    const int32_t *positions;
} Attention;

/* Room for bytes that a thread is about to multiply: so many as its share of a layer has. */
static uint8_t *room_of(const Attention *a, int thread) {
    return a->s->rounded + (size_t)thread * SHARE * input_bytes(4 * a->net->width);
}

/* A query, and what it has found in the spans before. */
typedef struct {
    float scale;         /* of its products with keys, for powers of two */
    float common;        /* score, for powers of two, of what later spans' keys have in common */
    float largest, sum;  /* score so far; sum of 2^(score - largest) */
    float before, here;  /* what was found before, and sums of products with this span's weights, are to be taken by */
} Query;

/* Sums of a query's products with a span's keys, whose scores have `common` beside them, -> weights as bytes, of which
 * `seen` count and the others are zero. A weight holds what a step of its value is worth: so the largest, all numbers
 * considered, is LARGEST_WEIGHT. */
INLINE void weigh(const Span *span, const int32_t (*sums)[QUERIES][ROWS], float common, int seen, Query *query,
                  uint8_t *weights) {
    float power[SPAN];
    Floats most = all(-INFINITY), sum = all(0.0f);
#pragma GCC unroll 16
    for (int k = 0; k < SPAN; k += LANES) {
        Ints products = load_ints(sums[k / ROWS][0] + k % ROWS) - BIAS * load_ints(span->key_total + k);
        Floats beside = load(span->value_power + k) + common;
        Floats some = as_floats(products) * load(span->key_step + k) * query->scale + beside;
        store(power + k, some);
        most = larger(most, some);
    }
    if (seen < SPAN) {
        for (int k = seen; k < SPAN; k++) power[k] = -INFINITY;
        most = all(-INFINITY);
        for (int k = 0; k < SPAN; k += LANES) most = larger(most, load(power + k));
    }
    const float here = largest(most);
#pragma GCC unroll 16
    for (int k = 0; k < SPAN; k += LANES) store(power + k, powers_of_two(load(power + k) - here));
    for (int k = seen; k < SPAN; k++) power[k] = 0.0f;
#pragma GCC unroll 16
    for (int k = 0; k < SPAN; k += LANES) sum += load(power + k) * load(span->value_inverse + k);
#pragma omp simd
    for (int k = 0; k < SPAN; k++) weights[k] = (uint8_t)(int32_t)(power[k] * (float)LARGEST_WEIGHT + 0.5f);
    arrange(weights, SPAN);
    const float less = exponential(-0.69314718f * fabsf(here - query->largest));
    const int higher = here > query->largest;
    query->before = higher ? less : 1.0f;
    query->largest = higher ? here : query->largest;
    query->sum = query->sum * query->before + total(sum) * (higher ? 1.0f : less);
    query->here = (higher ? 1.0f : less) / (float)LARGEST_WEIGHT;
}

/* Some queries of one head, and what they see. */
typedef struct {
    const float *queries;  /* (rows, size), 3 width apart */
    float *found;          /* (rows, size), width apart */
    const uint8_t *spans;
    int rows, size, width;
    int seen, more; /* positions that the first of them sees, and how many more each next one does */
} Search;

/* found (rows, 16) = the same by each query's `before` + products of weights with a block of values by its `here` */
static void gather(const int8_t *values, const uint8_t *weights, int positions, int rows, const Query *queries,
                   float *found, size_t apart, int wanted) {
    int32_t sums[QUERIES][ROWS];
    memset(sums, 0, sizeof sums[0] * (size_t)rows);
    multiply(tiles, values, weights, SPAN * BYTES, positions, rows, sums);
    for (int r = 0; r < rows; r++, found += apart) {
        float before = queries[r].before, here = queries[r].here;
        if (wanted == ROWS)
            for (int i = 0; i < ROWS; i += LANES)
                store(found + i, load(found + i) * before + as_floats(load_ints(sums[r] + i)) * here);
        else
            for (int i = 0; i < wanted; i++) found[i] = found[i] * before + (float)sums[r][i] * here;
    }
}

/* A query's product with what later spans' keys have in common. */
static float common_product(const Search *s, int row) {
    const float *query = s->queries + (size_t)row * 3 * s->width, *common = common_of((const Span *)s->spans, s->size);
    float sum = 0.0f;
    if (s->seen + row * s->more <= SPAN) return sum; /* it sees none of them */
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < s->size; i++) sum += query[i] * common[i];
    return sum;
}

static void begin(const Search *s, Query *queries, uint8_t *rounded) {
    int whole = whole_lines(s->size);
    const float unit = LOG2_E / sqrtf((float)s->size);
    for (int r = 0; r < s->rows; r++, rounded += whole * BYTES) {
        memset(rounded + s->size, BIAS, (size_t)(whole - s->size));
        float step = round_row(s->queries + (size_t)r * 3 * s->width, s->size, BIAS, rounded);
        arrange(rounded, whole);
        queries[r] = (Query){step * unit, common_product(s, r) * unit, -INFINITY, 0.0f, 0.0f, 0.0f};
        memset(s->found + (size_t)r * s->width, 0, sizeof(float) * (size_t)s->size);
    }
}

/* Asks memory for a span's n-th eighth, long before it is needed. */
static inline void ask_for(const uint8_t *span, int size, int n) {
    size_t part = span_bytes(size) / 8;
    for (size_t i = n * part; i < (n + 1) * part; i += 64) __builtin_prefetch(span + i, 0, 2);
}

/* What the queries find in the span of the positions from `first` on, of which the last of them sees `count`. */
static void search_span(const Search *s, const uint8_t *at, int first, int count, const uint8_t *rounded, Query *queries) {
    const Span *span = (const Span *)at;
    int size = s->size, whole = whole_lines(size), asks = s->rows == 1 && first + SPAN < s->seen; /* for the next one */
    int32_t sums[SPAN / ROWS][QUERIES][ROWS];
    uint8_t weights[QUERIES][SPAN * BYTES];
    for (int k = 0; k < count; k += ROWS) {
        if (asks) ask_for(at + span_bytes(size), size, k / ROWS);
        memset(sums[k / ROWS], 0, sizeof sums[0][0] * (size_t)s->rows);
        multiply(tiles, keys_of(span) + (size_t)k * whole, rounded, (size_t)whole * BYTES, whole, s->rows,
                 sums[k / ROWS]);
    }
    for (int r = 0; r < s->rows; r++) {
        int seen = s->seen + r * s->more - first;
        if (seen > 0) {
            weigh(span, (const int32_t(*)[QUERIES][ROWS])sums[0][r], first ? queries[r].common : 0.0f,
                  seen < SPAN ? seen : SPAN, queries + r, weights[r]);
            continue;
        }
        memset(weights[r], 0, sizeof weights[r]);
        queries[r].before = 1.0f, queries[r].here = 0.0f;
    }
    for (int i = 0; i < size; i += ROWS) {
        if (asks && i < 4 * ROWS) ask_for(at + span_bytes(size), size, 4 + i / ROWS);
        gather(values_of(span, size) + (size_t)i * SPAN, weights[0], whole_lines(count), s->rows, queries, s->found + i,
               (size_t)s->width, size - i < ROWS ? size - i : ROWS);
    }
}

static void search(const Search *s, uint8_t *rounded) {
    int all = s->seen + (s->rows - 1) * s->more; /* that the last of them sees */
    Query queries[QUERIES];
    const uint8_t *span = s->spans;
    begin(s, queries, rounded);
    begin_tiles();
    for (int first = 0; first < all; first += SPAN, span += span_bytes(s->size))
        search_span(s, span, first, all - first < SPAN ? all - first : SPAN, rounded, queries);
    end_tiles();
    for (int r = 0; r < s->rows; r++)
        for (int i = 0; i < s->size; i++) s->found[(size_t)r * s->width + i] /= queries[r].sum;
}

/* ---- steps ---- */

/* One head's keys and values of all rows, in their order: several may belong to one sequence. */
static void keep_rows(const void *what, int head, int thread) {
    const Attention *a = what;
    int width = a->net->width, size = width / a->net->n_head;
    for (int i = 0; i < a->n; i++) {
        const float *key = a->s->mixed + ((size_t)i * 3 + 1) * width + (size_t)head * size;
        keep_positions(a->net, a->caches[i], a->layer, head, a->positions[i], 1, key, key + width, 0, room_of(a, thread));
    }
}

static void one_step(const void *what, int job, int thread) {
    const Attention *a = what;
    int i = job / a->net->n_head, head = job % a->net->n_head, width = a->net->width, size = width / a->net->n_head;
    Search s = {a->s->mixed + (size_t)i * 3 * width + (size_t)head * size,
                a->s->found + (size_t)i * width + (size_t)head * size,
                (const uint8_t *)span_of(a->net, a->caches[i], a->layer, head, 0),
                1, size, width, a->positions[i] + 1, 0};
    search(&s, room_of(a, thread));
}

void attend_steps(const Network *net, const Scratch *s, int layer, int n, uint8_t *const *caches,
                  const int32_t *positions) {
    Attention a = {net, s, layer, n, 0, caches, positions};
    share(net->n_head, keep_rows, &a);
    share(n * net->n_head, one_step, &a);
}

/* ---- windows ---- */

/* Of the only layer where the window has no cache. */
static Span *span_of_window(const Attention *a, int head, int position) {
    if (a->caches) return span_of(a->net, a->caches[0], a->layer, head, position);
    return span_of(a->net, a->s->heard, 0, head, position);
}

/* One head's keys and values, span after span. */
static void keep_head(const void *what, int head, int thread) {
    const Attention *a = what;
    int width = a->net->width, size = width / a->net->n_head;
    const float *key = a->s->mixed + width + (size_t)head * size;
    keep_positions(a->net, a->caches ? a->caches[0] : a->s->heard, a->caches ? a->layer : 0, head, 0, a->n, key,
                   key + width, 3 * (size_t)width, room_of(a, thread));
}

/* What QUERIES of one head find. */
static void some_queries(const void *what, int job, int thread) {
    const Attention *a = what;
    int heads = a->net->n_head, width = a->net->width, size = width / heads;
    int head = job % heads, start = a->first + job / heads * QUERIES;
    Search s = {a->s->mixed + (size_t)start * 3 * width + (size_t)head * size,
                a->s->found + (size_t)start * width + (size_t)head * size,
                (const uint8_t *)span_of_window(a, head, 0),
                a->n - start < QUERIES ? a->n - start : QUERIES, size, width,
                a->caches ? start + 1 : a->n, a->caches ? 1 : 0};
    search(&s, room_of(a, thread));
}

void attend_window(const Network *net, const Scratch *s, int layer, int n, int first, uint8_t *cache) {
    Attention a = {net, s, layer, n, first, cache ? &cache : NULL, NULL};
    share(net->n_head, keep_head, &a);
    share(net->n_head * runs(n - first, QUERIES), some_queries, &a);
}
