/* Transformers with int8 weights: a step of many sequences, a whole prompt or window, and single products.
 *
 * Weights are int8 with one scale per output row; an input row is rounded to 8 bits by its own largest value. Sums
 * of products are exact integers, so what a row becomes never depends on its neighbours. Everything else is float,
 * and computed row by row.
 */
#include <string.h>

#include "cache.h"
#include "pool.h"
#include "tile.h"
#if defined(__AMX_INT8__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* The structs' sizes, packed into one number. */
int64_t bark_layout(void) {
    return (int64_t)sizeof(Matrix) | (int64_t)sizeof(Layer) << 12 | (int64_t)sizeof(Network) << 24 |
           (int64_t)sizeof(Scratch) << 36 | (int64_t)sizeof(Window) << 48;
}

/* What the files here were when this was compiled: hatch_build.py says it. */
#ifndef BARK_SOURCES
#define BARK_SOURCES 0
#endif
uint32_t bark_sources(void) { return BARK_SOURCES; }

int32_t bark_max_threads(void) { return MAX_THREADS; }
int32_t bark_part(void) { return PART; }
int32_t bark_share(void) { return SHARE; }
int32_t bark_span(void) { return SPAN; }
int64_t bark_span_bytes(int32_t size) { return (int64_t)span_bytes(size); }
int64_t bark_input_bytes(int32_t columns) { return (int64_t)input_bytes(columns); }

/* Whether this processor lets us use what this file was compiled for. */
int32_t bark_may_run(void) {
#if defined(__AMX_INT8__)
    return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* XTILEDATA */) == 0;
#else
    return 1;
#endif
}

/* x (n, width) += projection(found), then += contraction(gelu(expansion(norm_2(x)))); n <= PART */
static void after_attention(const Layer *layer, const Scratch *s, const float *found, float *x, int n, int width) {
    round_rows(s, found, n, width);
    product(&layer->projection, s, n, x, ADD);
    norm_and_round(s, x, layer->norm_2, layer->norm_2_bias, n, width);
    product(&layer->expansion, s, n, s->wide, GELU);
    round_rows(s, s->wide, n, 4 * width);
    product(&layer->contraction, s, n, x, ADD);
}

static void final_norm(const Network *net, const Scratch *s, float *x, int n) {
    for (int i = 0; i < n; i++, x += net->width) {
        layer_norm(x, net->norm, net->norm_bias, net->width, s->wide);
        memcpy(x, s->wide, sizeof(float) * (size_t)net->width);
    }
}

void step(const Network *net, const Scratch *s, int n, float *x, uint8_t *const *caches, const int32_t *positions) {
    for (int l = 0; l < net->n_layer; l++) {
        const Layer *layer = net->layers + l;
        norm_and_round(s, x, layer->norm_1, layer->norm_1_bias, n, net->width);
        product(&layer->attention, s, n, s->mixed, STORE);
        attend_steps(net, s, l, n, caches, positions);
        after_attention(layer, s, s->found, x, n, net->width);
    }
    final_norm(net, s, x, n);
}

void bark_step(const Network *net, const Scratch *s, int32_t n, float *x, uint8_t *const *caches,
               const int32_t *positions, int32_t threads) {
    gather_helpers(threads);
    step(net, s, n, x, caches, positions);
    dismiss_helpers();
}

typedef struct {
    const Network *net;
    const Scratch *s;
    float *x;
    int layer, first, n, each; /* positions first .. n, so many to a job */
} Between;

/* Some positions from the attention of a layer to that of the next: all that happens to each of them by itself, so
 * that it stays with one thread. */
static void between(const void *what, int job, int thread) {
    const Between *w = what;
    int width = w->net->width, last = w->net->n_layer - 1, i = w->first + job * w->each;
    int n = w->n - i < w->each ? w->n - i : w->each;
    size_t room = (size_t)thread * SHARE;
    Scratch s = *w->s;
    float *x = w->x + (size_t)i * width;
    s.rounded += room * input_bytes(4 * width), s.steps += room, s.wide += room * 4 * width;
    if (w->layer) after_attention(w->net->layers + w->layer - 1, &s, s.found + (size_t)i * width, x, n, width);
    if (w->layer > last) {
        final_norm(w->net, &s, x, n);
        return;
    }
    const Layer *layer = w->net->layers + w->layer;
    norm_and_round(&s, x, layer->norm_1, layer->norm_1_bias, n, width);
    product(&layer->attention, &s, n, s.mixed + (size_t)i * 3 * width, STORE);
}

/* How many of `count` positions a job has, at most SHARE: jobs are alike, and as many for each thread, so that nobody
 * waits for the last. */
static int positions_to_a_job(int count, int team) {
    int turns = runs(count, SHARE * team);
    if (team > 1 && turns < 2) turns = 2; /* who comes late leaves less to wait for */
    int each = 4 * runs(count, 4 * turns * team); /* a tile takes so many */
    return each < SHARE / 4 ? SHARE / 4 : each;
}

static void window(const Network *net, const Scratch *s, const Window *w) {
    for (int layer = 0; layer <= net->n_layer; layer++) {
        /* of the last layer, the others' keys and values were all that was wanted */
        int from = layer == net->n_layer ? w->first : 0, each = positions_to_a_job(w->n - from, team_size());
        Between positions = {net, s, w->x, layer, from, w->n, each};
        share(runs(w->n - from, each), between, &positions);
        if (layer < net->n_layer) attend_window(net, s, layer, w->n, layer == net->n_layer - 1 ? w->first : 0, w->cache);
    }
}

typedef struct {
    const Network *net;
    const Scratch *s; /* one for each thread */
    const Window *windows;
} SideBySide;

static void one_window(const void *what, int job, int thread) {
    const SideBySide *w = what;
    window(w->net, w->s + thread, w->windows + job);
}

/* A thread that keeps to one window waits at no layer, and finds its numbers in its own core's cache. */
void bark_windows(const Network *net, const Scratch *s, int32_t rooms, int32_t count, const Window *windows,
                  int32_t threads) {
    gather_helpers(threads);
    int team = team_size(), together = team > 1 && team <= rooms ? count / team * team : 0;
    SideBySide all = {net, s, windows};
    share(together, one_window, &all);
    for (int i = together; i < count; i++) window(net, s, windows + i);
    dismiss_helpers();
}

void bark_product(const Matrix *m, const Scratch *s, int32_t n, int32_t width, const float *x, float *y,
                  int32_t threads) {
    gather_helpers(threads);
    for (int i = 0; i < n; i += PART) {
        int count = n - i < PART ? n - i : PART;
        round_rows(s, x + (size_t)i * width, count, width);
        product(m, s, count, y + (size_t)i * m->rows, STORE);
    }
    dismiss_helpers();
}
