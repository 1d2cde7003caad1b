/* Draws of one id out of some, by their logits. */
#ifndef BARK_DRAW_H
#define BARK_DRAW_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

typedef struct {
    float temperature, top_p; /* beyond 1: none */
    int top_k;                /* 0: none */
    int32_t *heap;            /* (count,) room for the filters, or NULL without any */
} Sampling;

/* 0 where all logits (count,) are finite, else NaN. */
float poison(const float *logits, int count);

/* An index into finite logits (count,), some of which may be -INFINITY, and the last one's probability; they are lost.
 * words (count, 2): what uniform numbers are made of (random.h). */
int draw(float *logits, int count, const Sampling *how, const uint32_t *words, float *last_p);

#pragma GCC visibility pop

#endif
