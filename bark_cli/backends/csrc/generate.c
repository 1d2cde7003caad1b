/* Many steps in one call: tokens are appended, and the next are drawn, without going back to Python between them.
 *
 * A token is drawn as torch.multinomial does: of all legal ids the one that arrives first, where id i arrives after
 * -log(1 - u) / p of it, u uniform. What a row draws depends on nothing but its own numbers.
 */
#include <string.h>

#include "lanes.h"
#include "pool.h"

typedef struct {
    const void *rows;   /* (N, width) int8, or float without scales */
    const float *scale; /* (N,) or NULL */
    int32_t turns;
    const float *positions; /* (block, width) */
    const Matrix *heads;    /* the rows of the head that are legal together, in packs */
    const int32_t *starts;  /* the first id of each pack */
} Vocabulary;

typedef struct {
    uint16_t *cache;
    const double *uniform; /* (wanted, ids) what the draws are made from */
    const int32_t *packs;  /* (turns,) which pack is legal at the next step, the one after it and so on, in turn */
    int64_t *made;         /* (wanted,) ids drawn */
    float *end_p;          /* (wanted,) how likely the last legal id was; NaN where the network returned NaN */
    int32_t token, position, wanted;
    float temperature, top_p;  /* beyond 1: none */
    float enough; /* of the last legal id's probability to take it for an end; beyond 1: never */
    int32_t top_k; /* 0: none */
    int32_t *heap; /* (ids,) room for the filters, or NULL without any */
    int32_t may_end, done;     /* steps done: out */
    int32_t cycle, placed, reach, last, at; /* of who reads a text once (stages/monotonic.py); cycle 0: nobody does */
} Row;

/* Where a reader follows, the product is rounded before the sum, as it was while the stages drew for readers: so their
 * seeds stay. Elsewhere the compiler makes one operation of both. */
static void embed(const Vocabulary *v, int width, int64_t id, int position, int apart, float *x) {
    const float *place = v->positions + (size_t)position * width;
    size_t first = (size_t)id * width;
    if (v->scale && apart) {
        for (int i = 0; i < width; i++) x[i] = (float)((const int8_t *)v->rows)[first + i] * v->scale[id];
        __asm__ volatile("" : : "r"(x) : "memory"); /* the rounded products */
        for (int i = 0; i < width; i++) x[i] += place[i];
    } else if (v->scale)
        for (int i = 0; i < width; i++) x[i] = (float)((const int8_t *)v->rows)[first + i] * v->scale[id] + place[i];
    else
        for (int i = 0; i < width; i++) x[i] = ((const float *)v->rows)[first + i] + place[i];
}

/* -log(1 - u) for 0 <= u < 1, of which a multiple of 2^-53 makes 1 - u exact; within 1e-9 of it */
static inline double arrival(double u) {
    double x = 1.0 - u;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits -= 0x3fe6a09e667f3bcd; /* the square root of a half, so that what is left of x is near 1 */
    double exponent = (double)((int32_t)(bits >> 32) >> 20);
    bits = (bits & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd;
    memcpy(&x, &bits, sizeof x);
    double f = x - 1.0, s = f / (2.0 + f), z = s * s;
    double series = 1.0 / 13.0;
    series = series * z + 1.0 / 11.0;
    series = series * z + 1.0 / 9.0;
    series = series * z + 1.0 / 7.0;
    series = series * z + 1.0 / 5.0;
    series = series * z + 1.0 / 3.0;
    return -(exponent * 0.6931471805599453 + 2.0 * (s + s * z * series));
}

static int likeliest(const float *values, int count) { /* the first of them */
    float largest = -INFINITY;
#pragma omp simd reduction(max : largest)
    for (int i = 0; i < count; i++) largest = values[i] > largest ? values[i] : largest;
    int i = 0;
    while (i < count - 1 && values[i] != largest) i++;
    return i;
}

/* Of logits (count,) of the ids from `start` on, bar those of other parts of the text than the next ones. */
static void bar(const Row *row, int start, int count, float *logits) {
    int left = row->last - row->at, reach = row->reach < left ? row->reach : left;
    int step = ((start - row->at) % row->cycle + row->cycle) % row->cycle; /* to where the first id is read */
    for (int i = 0; i < count && start + i < row->placed; i++) {
        if (step > reach) logits[i] = -INFINITY;
        step = step + 1 == row->cycle ? 0 : step + 1;
    }
}

/* ---- filters ---- */

/* Whether id a comes before id b: the larger logit, of two alike the first. */
static inline int before(const float *logits, int a, int b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

/* Let heap[at] of `count` ids sink to its place: nobody comes before the one that is above. */
static void sink(const float *logits, int32_t *heap, int count, int at) {
    int32_t id = heap[at];
    for (int below; (below = 2 * at + 1) < count; at = below) {
        if (below + 1 < count && before(logits, heap[below + 1], heap[below])) below++;
        if (!before(logits, heap[below], id)) break;
        heap[at] = heap[below];
    }
    heap[at] = id;
}

/* stages/sampling.py's filters: of logits (count,) only the likeliest stay, as many as carry the sum of probabilities
 * past top_p, then top_k of them and who ties with the last; the others become -INFINITY. */
static void filter(float *logits, int count, int top_k, float top_p, int32_t *heap) {
    float largest = -INFINITY, sum = 0.0f, last = 0.0f;
    double carried = 0.0;
    int kept = 0, left = count;
    for (int i = 0; i < count; i++) heap[i] = i, largest = logits[i] > largest ? logits[i] : largest;
    for (int i = 0; i < count; i++) sum += logits[i] == -INFINITY ? 0.0f : exponential(logits[i] - largest);
    for (int i = count / 2 - 1; i >= 0; i--) sink(logits, heap, count, i);
    while (left) {
        float logit = logits[heap[0]];
        if (kept && (float)carried > top_p) break;
        if (top_k && kept >= top_k && logit != last) break;
        carried += logit == -INFINITY ? 0.0f : exponential(logit - largest) / sum;
        last = logit, kept++, left--;
        heap[0] = heap[left];
        if (left) sink(logits, heap, left, 0);
    }
    for (int i = 0; i < left; i++) logits[heap[i]] = -INFINITY;
}

/* ---- draws ---- */

typedef struct {
    float temperature, top_p;
    int top_k;
    int32_t *heap;
} Sampling;

/* An index into logits (count,) of the ids from `start` on, which are lost, and the last one's probability. */
static int draw(float *logits, int count, const Sampling *how, const double *uniform, const Row *reading, int start,
                float *last_p) {
    float poison = 0.0f, largest = -INFINITY, sum = 0.0f;
#pragma omp simd reduction(+ : poison)
    for (int i = 0; i < count; i++) poison += logits[i] * 0.0f;
    *last_p = poison;
    if (poison != 0.0f) return 0; /* NaN is unequal to all */
    if (reading) bar(reading, start, count, logits);
    if (how->temperature == 0.0f) {
        int index = likeliest(logits, count);
        *last_p = index == count - 1 ? 1.0f : 0.0f;
        return index;
    }
    if (how->heap) filter(logits, count, how->top_k, how->top_p, how->heap);
    for (int i = 0; i < count; i++) logits[i] /= how->temperature;
#pragma omp simd reduction(max : largest)
    for (int i = 0; i < count; i++) largest = logits[i] > largest ? logits[i] : largest;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++) {
        float power = exponential(logits[i] - largest);
        logits[i] = logits[i] == -INFINITY ? 0.0f : power;
        sum += logits[i];
    }
    *last_p = logits[count - 1] / sum;
    for (int i = 0; i < count; i++) logits[i] = logits[i] / sum / (float)arrival(uniform[i]);
    return likeliest(logits, count);
}

/* ---- the codes of a window ---- */

typedef struct {
    float *logits;         /* (frames, vocabulary), which are lost */
    const double *uniform; /* (frames, codes) */
    int64_t *made;         /* (frames,); -1 where the network returned NaN */
    int vocabulary, codes; /* of which the first are drawn from */
    Sampling how;          /* its heap (threads, codes) */
} Frames;

static void draw_frame(const void *what, int job, int thread) {
    const Frames *f = what;
    float last_p;
    Sampling how = f->how;
    if (how.heap) how.heap += (size_t)thread * f->codes;
    int index = draw(f->logits + (size_t)job * f->vocabulary, f->codes, &how, f->uniform + (size_t)job * f->codes,
                     NULL, 0, &last_p);
    f->made[job] = last_p == last_p ? index : -1;
}

void bark_draw(float *logits, int32_t frames, int32_t vocabulary, int32_t codes, float temperature, int32_t top_k,
               float top_p, int32_t *heap, const double *uniform, int64_t *made, int32_t threads) {
    Frames f = {logits, uniform, made, vocabulary, codes, {temperature, top_p, top_k, heap}};
    gather_helpers(threads);
    share(frames, draw_frame, &f);
    dismiss_helpers();
}

/* ---- the tokens of sequences ---- */

typedef struct {
    const Vocabulary *v;
    Row *const *rows; /* those that one pack is legal for */
    float *logits;    /* (rows, ids) */
    int pack;
} Draws;

static void draw_one(const void *what, int job, int thread) {
    const Draws *d = what;
    Row *row = d->rows[job];
    int ids = d->v->heads[d->pack].rows, step = row->done;
    (void)thread;
    float *logits = d->logits + (size_t)job * ids, *end_p = row->end_p + step;
    int start = d->v->starts[d->pack];
    const double *uniform = row->uniform + (size_t)step * ids;
    Sampling how = {row->temperature, row->top_p, row->top_k, row->heap};
    int index = draw(logits, ids, &how, uniform, row->cycle ? row : NULL, start, end_p);
    row->token = start + index;
    if (row->cycle && row->token < row->placed)
        row->at += ((row->token - row->at) % row->cycle + row->cycle) % row->cycle;
    row->made[step] = row->token;
    row->position++;
    row->done++;
    int ends = row->may_end && (index == ids - 1 || *end_p >= row->enough);
    if (ends || *end_p != *end_p) row->wanted = row->done;
}

/* Draw for n rows, whose hidden states are x (n, width): those that the same pack is legal for go together. */
static void draw_all(const Vocabulary *v, const Scratch *s, int n, Row *const *rows, int width, const float *x,
                     float *logits) {
    int32_t packs[PART];
    for (int i = 0; i < n; i++) packs[i] = rows[i]->packs[rows[i]->done % v->turns];
    for (int first = 0; first < n; first++) {
        int pack = packs[first], count = 0;
        Row *own[PART];
        for (int i = first; i < n && pack >= 0; i++)
            if (packs[i] == pack) {
                memcpy(s->found + (size_t)count * width, x + (size_t)i * width, sizeof(float) * (size_t)width);
                own[count++] = rows[i];
                packs[i] = -1; /* drawn for */
            }
        if (!count) continue;
        round_rows(s, s->found, count, width);
        product(v->heads + pack, s, count, logits, STORE);
        Draws draws = {v, own, logits, pack};
        share(count, draw_one, &draws);
    }
}

int64_t bark_generate_layout(void) { return (int64_t)sizeof(Vocabulary) | (int64_t)sizeof(Row) << 16; }

/* Append the token of each of n <= PART rows and draw the next, until each has as many as are wanted or its end.
 * x (n, width) and logits (n, ids) are room for a step. */
void bark_generate(const Network *net, const Scratch *s, const Vocabulary *v, int32_t n, Row *rows, float *x,
                   float *logits, int32_t threads) {
    Row *active[PART];
    uint16_t *caches[PART];
    int32_t positions[PART];
    gather_helpers(threads);
    for (;;) {
        int count = 0;
        for (int i = 0; i < n; i++)
            if (rows[i].done < rows[i].wanted) active[count++] = rows + i;
        if (!count) break;
        for (int i = 0; i < count; i++) {
            caches[i] = active[i]->cache, positions[i] = active[i]->position;
            embed(v, net->width, active[i]->token, positions[i], active[i]->cycle, x + (size_t)i * net->width);
        }
        step(net, s, count, x, caches, positions);
        draw_all(v, s, count, active, net->width, x, logits);
    }
    dismiss_helpers();
}
