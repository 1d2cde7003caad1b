/* Random numbers: those of torch and numpy, two words of 32 bits each. */
#ifndef BARK_RANDOM_H
#define BARK_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* The next words (count,); state (625,): the twister's, and how many of its words are used. */
void random_words(uint32_t *state, size_t count, uint32_t *words);

#pragma GCC visibility pop

/* 53 bits of two words make a number, 0 <= u < 1. */
static inline double uniform(const uint32_t *words) {
    return (double)(int64_t)((uint64_t)(words[0] & 0x1fffff) << 32 | words[1]) * 0x1p-53;
}

/* Of 21 of the bits; no more than all of them make. */
static inline float uniform_at_least(const uint32_t *words) {
    return (float)(int32_t)(words[0] & 0x1fffff) * 0x1p-21f;
}

#endif
