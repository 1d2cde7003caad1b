/* Rows of floats -> norms, and inputs of 8 bits. */
#include <math.h>
#include <string.h>

#include "lanes.h"
#include "pool.h"
#include "tile.h"

#define TOGETHER 8 /* rows that a thread takes at once */

void layer_norm(const float *x, const float *gain, const float *bias, int width, float *out) {
    float mean = 0.0f, variance = 0.0f;
#pragma omp simd reduction(+ : mean)
    for (int i = 0; i < width; i++) mean += x[i];
    mean /= (float)width;
#pragma omp simd reduction(+ : variance)
    for (int i = 0; i < width; i++) variance += (x[i] - mean) * (x[i] - mean);
    float norm = 1.0f / sqrtf(variance / (float)width + 1e-5f);
    for (int i = 0; i < width; i++) out[i] = (x[i] - mean) * norm * gain[i];
    if (bias)
        for (int i = 0; i < width; i++) out[i] += bias[i];
}

float round_row(const float *x, int width, int bias, uint8_t *rounded) {
    float most = 0.0f, poison = 0.0f;
    Floats sizes = all(0.0f), poisons = all(0.0f);
    int whole = width / LANES * LANES;
    for (int i = 0; i < whole; i += LANES) {
        Floats some = load(x + i);
        sizes = larger(larger(some, -some), sizes);
        poisons += some * 0.0f;
    }
    most = largest(sizes), poison = total(poisons);
    for (int i = whole; i < width; i++) {
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
        poison += x[i] * 0.0f;
    }
    if (poison != 0.0f) {
        memset(rounded, bias, (size_t)width);
        most = NAN;
    } else {
        float inverse = most > 0.0f ? 127.0f / most : 0.0f;
#pragma omp simd
        for (int i = 0; i < width; i++) rounded[i] = (uint8_t)((int32_t)rintf(x[i] * inverse) + bias);
    }
    return most / 127.0f;
}

typedef struct {
    const Scratch *s;
    const float *x, *gain, *bias; /* no gain: as they are */
    int n, width;
} Rows;

static void some_rows(const void *what, int job, int thread) {
    const Rows *r = what;
    (void)thread;
    int width = r->width, whole = (width + 3) / 4 * 4; /* columns beyond the width meet zeros of the matrix */
    for (int i = job * TOGETHER; i < r->n && i < (job + 1) * TOGETHER; i++) {
        const float *row = r->x + (size_t)i * width;
        uint8_t *rounded = r->s->rounded + (size_t)i * input_bytes(whole);
        if (r->gain) {
            float *normed = r->s->wide + (size_t)i * 4 * width; /* free at this time */
            layer_norm(row, r->gain, r->bias, width, normed);
            row = normed;
        }
        memset(rounded + width, INPUT_BIAS, (size_t)(whole - width));
        r->s->steps[i] = round_row(row, width, INPUT_BIAS, rounded);
        arrange_input(rounded, whole);
    }
}

void round_rows(const Scratch *s, const float *x, int n, int width) {
    Rows rows = {s, x, NULL, NULL, n, width};
    share(runs(n, TOGETHER), some_rows, &rows);
}

void norm_and_round(const Scratch *s, const float *x, const float *gain, const float *bias, int n, int width) {
    Rows rows = {s, x, gain, bias, n, width};
    share(runs(n, TOGETHER), some_rows, &rows);
}
