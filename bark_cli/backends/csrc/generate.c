/* Many steps in one call: tokens are appended, and the next are drawn, without going back to Python between them.
 *
 * What a row draws depends on nothing but its own numbers.
 */
#include <math.h>
#include <string.h>

#include "draw.h"
#include "network.h"
#include "pool.h"
#include "random.h"

typedef struct {
    const void *rows;   /* (N, width) int8, or float without scales */
    const float *scale; /* (N,) or NULL */
    int32_t turns;
    const float *positions; /* (block, width) */
    const Matrix *heads;    /* the rows of the head that are legal together, in packs */
    const int32_t *starts;  /* the first id of each pack */
} Vocabulary;

typedef struct {
    uint8_t *cache;
    uint32_t *state;       /* of its random numbers; NULL: they are there */
    uint32_t *words;       /* (ids, 2) what a draw is made from; of numbers that are there (wanted, ids, 2) */
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

/* Of logits (count,) of the ids from `start` on, bar those of other parts of the text than the next ones. */
static void bar(const Row *row, int start, int count, float *logits) {
    int left = row->last - row->at, reach = row->reach < left ? row->reach : left, cycle = row->cycle;
    int first = ((start - row->at) % cycle + cycle) % cycle; /* steps to where the first id is read */
    int placed = row->placed - start < count ? row->placed - start : count;
    for (int begin = -first; begin < placed; begin += cycle) { /* ids of steps 0 .. cycle */
        int from = begin + reach + 1 < 0 ? 0 : begin + reach + 1, to = begin + cycle < placed ? begin + cycle : placed;
        for (int i = from; i < to; i++) logits[i] = -INFINITY;
    }
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
    Sampling how = {row->temperature, row->top_p, row->top_k, row->heap};
    uint32_t *words = row->words + (row->state ? 0 : 2 * (size_t)step * ids);
    int index = 0;
    if (row->state) random_words(row->state, 2 * (size_t)ids, words);
    *end_p = poison(logits, ids);
    if (*end_p == 0.0f) { /* NaN is unequal to all */
        if (row->cycle) bar(row, start, ids, logits);
        index = draw(logits, ids, &how, words, end_p);
    }
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
    uint8_t *caches[PART];
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
