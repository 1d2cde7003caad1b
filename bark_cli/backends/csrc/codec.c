/* EnCodec's causal decoder: frames -> samples, in pieces that join to the whole.
 *
 * Time runs along rows. A layer is a product of the rows that it reaches back to with its weights, which lie in panels
 * of 16 outputs. The last rows that it heard are its past, and go before those of the next piece.
 */
#include <math.h>
#include <string.h>

#include "bands.h"
#include "lanes.h"
#include "pool.h"

#define AT_ONCE 96    /* rows that meet a panel before the next panel is read; a multiple of any BAND */
#define SOME 4096     /* numbers to a job of what is done to each by itself */
#define FEW_PANELS 4  /* whose sums stay in registers while one row meets them */
#define SUMS 8        /* samples of a single channel whose sums stay in registers */

typedef struct {
    const float *weights;   /* (outputs / 16, taps, inputs, 16), the oldest tap first; of one output, (taps, inputs) */
    const float *bias;      /* (outputs,) in whole panels */
    const float *recurrent; /* of an LSTM, (outputs / 16, outputs / 4, 16): what it makes of its own last row; else NULL */
    int32_t inputs, outputs, taps, dilation, upsampling; /* outputs: of all upsampled rows, or of an LSTM's gates */
    int32_t activated, mirrored, branches, joins;
    int64_t past; /* where its past begins */
} DecoderLayer;

typedef struct {
    float *x, *y, *kept; /* the present rows, what becomes of them, what a branch has kept; (rows, channels) at most */
    float *heard;        /* (rows and those before, inputs) */
} DecoderRoom;

int64_t bark_decoder_layout(void) { return (int64_t)sizeof(DecoderLayer) | (int64_t)sizeof(DecoderRoom) << 16; }

/* ---- what is done to each number ---- */

typedef struct {
    const float *from;
    float *to;
    int count, activated;
} Copy;

static void copy_some(const void *what, int job, int thread) {
    const Copy *c = what;
    int first = job * SOME, count = c->count - first < SOME ? c->count - first : SOME;
    const float *from = c->from + first;
    float *to = c->to + first;
    (void)thread;
    if (!c->activated) {
        memcpy(to, from, sizeof(float) * (size_t)count);
        return;
    }
#pragma omp simd
    for (int i = 0; i < count; i++) {
        float below = exponential(from[i] < 0.0f ? from[i] : 0.0f) - 1.0f;
        to[i] = from[i] > 0.0f ? from[i] : below;
    }
}

/* What the layer hears, behind its past, in `heard`: the rows x (rows, inputs), after an ELU where it has one. */
static void hear(const DecoderLayer *l, const float *x, int rows, float *past, int begun, float *heard) {
    int reach = (l->taps - 1) * l->dilation, width = l->inputs;
    size_t before = (size_t)reach * width, row = sizeof(float) * (size_t)width;
    Copy copy = {x, heard + before, rows * width, l->activated};
    share(runs(copy.count, SOME), copy_some, &copy);
    if (begun)
        memcpy(heard, past, sizeof(float) * before);
    else /* the beginning in a mirror, silence where it is too short for that; or silence alone */
        for (int i = 0; i < reach; i++) {
            int mirror = reach - i;
            if (l->mirrored && mirror < rows) memcpy(heard + (size_t)i * width, heard + (size_t)(reach + mirror) * width, row);
            else memset(heard + (size_t)i * width, 0, row);
        }
    memcpy(past, heard + (size_t)rows * width, sizeof(float) * before);
}

/* ---- convolutions ---- */

typedef struct {
    const DecoderLayer *l;
    const float *heard;
    float *out; /* (rows, outputs) */
    int rows, adds;
} Convolving;

static void some_outputs(const void *what, int job, int thread) {
    const Convolving *c = what;
    const DecoderLayer *l = c->l;
    int blocks = runs(c->rows, AT_ONCE), panel = job / blocks, first = job % blocks * AT_ONCE;
    int rows = c->rows - first < AT_ONCE ? c->rows - first : AT_ONCE, width = l->inputs;
    int wanted = l->outputs - panel * PANEL < PANEL ? l->outputs - panel * PANEL : PANEL;
    const float *weights = l->weights + (size_t)panel * l->taps * width * PANEL, *bias = l->bias + panel * PANEL;
    const float *x = c->heard + (size_t)first * width;
    float found[AT_ONCE][PANEL];
    (void)thread;
    for (int r = 0; r < rows; r++) memcpy(found[r], bias, sizeof found[r]);
    if (l->dilation == 1) /* rows that follow each other are as good as one long row */
        bands(x, width, weights, l->taps * width, rows, found[0], PANEL);
    else
        for (int t = 0; t < l->taps; t++)
            bands(x + (size_t)t * l->dilation * width, width, weights + (size_t)t * width * PANEL, width, rows, found[0],
                  PANEL);
    for (int r = 0; r < rows; r++) {
        float *out = c->out + (size_t)(first + r) * l->outputs + panel * PANEL;
        for (int i = 0; i < wanted; i++) out[i] = c->adds ? out[i] + found[r][i] : found[r][i];
    }
}

/* out (samples,) += sums of x times weights (count,), of which each sample's x begins `step` after the one before */
INLINE void sums(const float *x, int step, const float *weights, int count, int samples, float *out) {
    Floats sum[SUMS] = {{0}};
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
        Floats weight = load(weights + i);
#pragma GCC unroll 8
        for (int s = 0; s < samples; s++) sum[s] += load(x + s * step + i) * weight;
    }
#pragma GCC unroll 8
    for (int s = 0; s < samples; s++) out[s] += total(sum[s]);
    for (; i < count; i++)
        for (int s = 0; s < samples; s++) out[s] += x[s * step + i] * weights[i];
}

static void some_samples(const void *what, int job, int thread) { /* in a panel 15 products of 16 would be for nothing */
    const Convolving *c = what;
    const DecoderLayer *l = c->l;
    int first = job * AT_ONCE, end = c->rows - first < AT_ONCE ? c->rows : first + AT_ONCE, width = l->inputs;
    int together = l->dilation == 1 ? l->taps : 1, count = together * width;
    (void)thread;
    for (int r = first; r < end; r++) c->out[r] = *l->bias + (c->adds ? c->out[r] : 0.0f);
    for (int t = 0; t < l->taps; t += together) {
        const float *x = c->heard + (size_t)t * l->dilation * width, *weights = l->weights + (size_t)t * width;
        int r = first;
        for (; r + SUMS <= end; r += SUMS) sums(x + (size_t)r * width, width, weights, count, SUMS, c->out + r);
        for (; r < end; r++) sums(x + (size_t)r * width, width, weights, count, 1, c->out + r);
    }
}

static void convolve(const DecoderLayer *l, const float *heard, int rows, float *out, int adds) {
    Convolving c = {l, heard, out, rows, adds};
    if (l->outputs == 1) share(runs(rows, AT_ONCE), some_samples, &c);
    else share(panels(l->outputs) * runs(rows, AT_ONCE), some_outputs, &c);
}

/* ---- the LSTM ---- */

typedef struct {
    const DecoderLayer *l;
    const float *hidden; /* (width,) */
    float *gates;        /* (4 width,) */
} Recurring;

static void some_gates(const void *what, int job, int thread) {
    const Recurring *c = what;
    enum { VECTORS = PANEL / LANES };
    int width = c->l->outputs / 4, first = job * FEW_PANELS, all = panels(c->l->outputs);
    int count = all - first < FEW_PANELS ? all - first : FEW_PANELS;
    const float *weights = c->l->recurrent + (size_t)first * width * PANEL;
    Floats sum[FEW_PANELS][VECTORS];
    (void)thread;
    memset(sum, 0, sizeof sum);
    if (count == FEW_PANELS)
        for (int i = 0; i < width; i++)
#pragma GCC unroll 4
            for (int p = 0; p < FEW_PANELS; p++)
#pragma GCC unroll 4
                for (int v = 0; v < VECTORS; v++)
                    sum[p][v] += c->hidden[i] * load(weights + ((size_t)p * width + i) * PANEL + LANES * v);
    else
        for (int p = 0; p < count; p++)
            for (int i = 0; i < width; i++)
                for (int v = 0; v < VECTORS; v++)
                    sum[p][v] += c->hidden[i] * load(weights + ((size_t)p * width + i) * PANEL + LANES * v);
    for (int p = 0; p < count; p++) {
        float found[PANEL];
        int at = (first + p) * PANEL;
        for (int v = 0; v < VECTORS; v++) store(found + LANES * v, sum[p][v]);
        for (int i = 0; i < PANEL && at + i < c->l->outputs; i++) c->gates[at + i] += found[i];
    }
}

static inline float sigmoid(float x) {
    float tail = exponential(-fabsf(x));
    return (x < 0.0f ? tail : 1.0f) / (1.0f + tail);
}

static inline float hyperbolic(float x) { /* tangent */
    float tail = exponential(-2.0f * fabsf(x)), size = (1.0f - tail) / (1.0f + tail);
    return x < 0.0f ? -size : size;
}

/* gates (rows, 4 width), as the input makes them -> out (rows, width); state: the last row and its cell, (2, width) */
static void recur(const DecoderLayer *l, float *gates, int rows, float *state, int begun, float *out) {
    int width = l->outputs / 4;
    float *hidden = state, *cell = state + width;
    if (!begun) memset(state, 0, sizeof(float) * 2 * (size_t)width);
    for (int t = 0; t < rows; t++, gates += l->outputs, out += width) {
        Recurring c = {l, hidden, gates};
        share(runs(panels(l->outputs), FEW_PANELS), some_gates, &c);
        for (int i = 0; i < width; i++) { /* input, forget, new cell, output */
            cell[i] = sigmoid(gates[width + i]) * cell[i] + sigmoid(gates[i]) * hyperbolic(gates[2 * width + i]);
            hidden[i] = sigmoid(gates[3 * width + i]) * hyperbolic(cell[i]);
        }
        memcpy(out, hidden, sizeof(float) * (size_t)width);
    }
}

/* ---- all of it ---- */

static void swap(float **a, float **b) {
    float *was = *a;
    *a = *b, *b = was;
}

/* room->x (rows, dimension) -> samples (rows * hop,), through n layers. past: of this stream; `begun` says that it has
 * any. */
void bark_decode(const DecoderLayer *layers, int32_t n, const DecoderRoom *room, float *past, int32_t begun,
                 int32_t rows, float *samples, int32_t threads) {
    float *x = room->x, *y = room->y, *kept = room->kept;
    gather_helpers(threads);
    for (const DecoderLayer *l = layers; l < layers + n; l++) {
        if (l->recurrent) {
            if (l->branches) memcpy(kept, x, sizeof(float) * (size_t)rows * l->inputs);
            convolve(l, x, rows, y, 0);
            recur(l, y, rows, past + l->past, begun, x);
            for (int i = 0; i < rows * l->inputs && l->joins; i++) x[i] += kept[i];
            continue;
        }
        hear(l, l->joins ? kept : x, rows, past + l->past, begun, room->heard);
        convolve(l, room->heard, rows, l->joins ? x : y, l->joins);
        if (l->branches) swap(&x, &kept);
        if (!l->joins) swap(&x, &y);
        rows *= l->upsampling;
    }
    memcpy(samples, x, sizeof(float) * (size_t)rows);
    dismiss_helpers();
}
