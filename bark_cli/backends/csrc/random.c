/* The Mersenne Twister (Matsumoto and Nishimura, 1998), whose words of 32 bits numpy and torch draw their numbers from.
 *
 * A state is its 624 words, and how many of them are used; after numpy's mt19937.c.
 */
#include "random.h"

#define WORDS 624
#define FAR 397 /* words ahead, to the one that goes into the next */

static inline uint32_t mixed(uint32_t word, uint32_t following, uint32_t far) {
    uint32_t both = (word & 0x80000000u) | (following & 0x7fffffffu);
    return far ^ both >> 1 ^ ((0u - (both & 1u)) & 0x9908b0dfu);
}

static void renew(uint32_t *state) {
    for (int i = 0; i < WORDS - FAR; i++) state[i] = mixed(state[i], state[i + 1], state[i + FAR]);
    for (int i = WORDS - FAR; i < WORDS - 1; i++) state[i] = mixed(state[i], state[i + 1], state[i + FAR - WORDS]);
    state[WORDS - 1] = mixed(state[WORDS - 1], state[0], state[FAR - 1]);
    state[WORDS] = 0;
}

static inline uint32_t tempered(uint32_t word) {
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680u;
    word ^= word << 15 & 0xefc60000u;
    return word ^ word >> 18;
}

void random_words(uint32_t *state, size_t count, uint32_t *words) {
    while (count) {
        if (state[WORDS] >= WORDS) renew(state);
        const uint32_t *next = state + state[WORDS];
        size_t left = WORDS - state[WORDS], some = left < count ? left : count;
        for (size_t i = 0; i < some; i++) words[i] = tempered(next[i]);
        state[WORDS] += (uint32_t)some, count -= some, words += some;
    }
}
