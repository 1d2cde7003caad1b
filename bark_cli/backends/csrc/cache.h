/* Keys and values as attention multiplies them: 8 bits a number, and for each position of a head what a step is worth.
 *
 * A cache is (layers, heads, spans): a span holds SPAN positions, in lines of the products' own layout (products.c),
 * so that a position that is kept need not be touched again, and is read in one go from first to last.
 *
 * Some numbers of all keys may be large and alike, and would leave a step for the others that is too coarse. So what
 * the keys of the first span have in common is taken from all later ones before they are rounded, and a query's
 * product with it is added again. (Zhang et al. 2024, "SageAttention", take the mean of all keys: of a sequence that
 * grows nobody knows it.)
 */
#ifndef BARK_CACHE_H
#define BARK_CACHE_H

#include "network.h"

#define SPAN 64 /* positions that lie together; the weights of so many have a scale of their own */

typedef struct {
    float key_step[SPAN];     /* what a step of the key is worth */
    int32_t key_total[SPAN];  /* the sum of its numbers: what a query of ones would give */
    float value_power[SPAN];  /* log2 of what a step of the value is worth */
    float value_inverse[SPAN]; /* 1 / the same */
    int8_t numbers[];         /* keys (SPAN / 16, size / 4, 16, 4), then values (size / 16, SPAN / 4, 16, 4), and floats */
} Span;

static inline int whole_lines(int columns) { return (columns + 3) / 4 * 4; }
static inline int whole_blocks(int rows) { return (rows + ROWS - 1) / ROWS * ROWS; }

/* Of heads of so many numbers. */
static inline size_t span_bytes(int size) {
    return sizeof(Span) + (size_t)SPAN * (size_t)(whole_lines(size) + whole_blocks(size)) +
           sizeof(float) * (size_t)whole_blocks(size);
}
static inline int8_t *keys_of(const Span *span) { return (int8_t *)span->numbers; }
static inline int8_t *values_of(const Span *span, int size) {
    return (int8_t *)span->numbers + (size_t)SPAN * whole_lines(size);
}
/* (size,) of the first span of a head: what is taken from the keys of all others */
static inline float *common_of(const Span *first, int size) {
    return (float *)(values_of(first, size) + (size_t)SPAN * whole_blocks(size));
}

/* The span of a head that a position lies in. */
static inline Span *span_of(const Network *net, uint8_t *cache, int layer, int head, int position) {
    size_t spans = (size_t)(net->block + SPAN - 1) / SPAN;
    size_t index = ((size_t)layer * net->n_head + head) * spans + (size_t)position / SPAN;
    return (Span *)(cache + index * span_bytes(net->width / net->n_head));
}

#pragma GCC visibility push(hidden)

/* Keep the keys and values of `count` positions of a head from `first` on, which lie `apart` floats from each other;
 * none but the first may be in a span of which an earlier one is kept. `row` is room for whole_blocks(size) bytes and
 * as many floats. */
void keep_positions(const Network *net, uint8_t *cache, int layer, int head, int first, int count, const float *key,
                    const float *value, size_t apart, uint8_t *row);

#pragma GCC visibility pop

#endif
