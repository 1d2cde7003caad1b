/* A token or a code is drawn: logits of the ids that may be -> one of them.
 *
 * As torch.multinomial does: of all ids the one that arrives first, where id i arrives after -log(1 - u) / p of it, u
 * uniform. What is drawn depends on nothing but the logits and the numbers.
 */
#include "draw.h"

#include <string.h>

#include "lanes.h"
#include "pool.h"
#include "random.h"

#define SOME 64 /* ids that are looked at together */

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

float poison(const float *logits, int count) {
    float found = 0.0f;
#pragma omp simd reduction(+ : found)
    for (int i = 0; i < count; i++) found += logits[i] * 0.0f;
    return found;
}

static inline float pace(float p, const uint32_t *words) { return p / (float)arrival(uniform(words)); }

/* Of ids with probabilities p (count,) the one that arrives first; words (count, 2). Nobody arrives before his uniform
 * number, so that hardly anybody but the likeliest needs a logarithm. */
static int first_to_arrive(const float *p, int count, const uint32_t *words) {
    int found = likeliest(p, count);
    float fastest = pace(p[found], words + 2 * (size_t)found);
    for (int first = 0; first < count; first += SOME) {
        int end = first + SOME < count ? first + SOME : count, rivals = 0;
#pragma omp simd reduction(| : rivals)
        for (int i = first; i < end; i++) /* a little more than roundings make */
            rivals |= p[i] >= 0.9999f * fastest * uniform_at_least(words + 2 * (size_t)i);
        for (int i = first; i < end && rivals; i++) {
            if (!(p[i] >= 0.9999f * fastest * uniform_at_least(words + 2 * (size_t)i))) continue;
            float own = pace(p[i], words + 2 * (size_t)i);
            if (own > fastest || (own == fastest && i < found)) fastest = own, found = i;
        }
    }
    return found;
}

int draw(float *logits, int count, const Sampling *how, const uint32_t *words, float *last_p) {
    float largest = -INFINITY, sum = 0.0f;
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
    for (int i = 0; i < count; i++) logits[i] = logits[i] / sum;
    return first_to_arrive(logits, count, words);
}

/* ---- the codes of a window ---- */

typedef struct {
    float *logits;         /* (frames, vocabulary), which are lost */
    const uint32_t *words; /* (frames, codes, 2) */
    int64_t *made;         /* (frames,); -1 where the network returned NaN */
    int vocabulary, codes; /* of which the first are drawn from */
    Sampling how;          /* its heap (threads, codes) */
} Frames;

static void draw_frame(const void *what, int job, int thread) {
    const Frames *f = what;
    float last_p, *logits = f->logits + (size_t)job * f->vocabulary;
    Sampling how = f->how;
    if (how.heap) how.heap += (size_t)thread * f->codes;
    f->made[job] = poison(logits, f->codes) == 0.0f /* NaN is unequal to all */
                       ? draw(logits, f->codes, &how, f->words + 2 * (size_t)job * f->codes, &last_p)
                       : -1;
}

/* `state` is of random numbers, which go into `words`; without one they are there. */
void bark_draw(float *logits, int32_t frames, int32_t vocabulary, int32_t codes, float temperature, int32_t top_k,
               float top_p, int32_t *heap, uint32_t *state, uint32_t *words, int64_t *made, int32_t threads) {
    if (state) random_words(state, 2 * (size_t)frames * codes, words);
    Frames f = {logits, words, made, vocabulary, codes, {temperature, top_p, top_k, heap}};
    gather_helpers(threads);
    share(frames, draw_frame, &f);
    dismiss_helpers();
}
