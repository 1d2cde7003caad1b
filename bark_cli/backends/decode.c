/* One step of a causal transformer with int8 weights: embeddings of n positions -> their final hidden states.
 *
 * The n positions may belong to n sequences (a step of a batch) or follow each other in one (a prompt): each has a
 * cache and a place in it. Weights are int8 with one scale per output row; an input row is rounded to 8 bits by its
 * own largest value. Sums of products are exact integers, so what a row becomes never depends on its neighbours.
 * Keys and values are kept in bfloat16, everything else is float.
 *
 * Compiled once per instruction set (see hatch_build.py); the plain C below is what every other processor runs.
 * The layout of the structs is mirrored in kernel.py, which compares bark_layout.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif
#if defined(__AMX_INT8__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define INLINE static inline __attribute__((always_inline))

#define ROWS 16        /* of a matrix that are multiplied at once */
#define INPUTS 16      /* that each line of a matrix is multiplied with, at most */
#define GROUP 128      /* rows of a matrix that many inputs meet at once */
#define PART 256       /* inputs whose rounded rows fit a cache; Scratch has room for so many */
#define AHEAD 2048     /* bytes of a matrix that are asked of memory before they are needed */
#define MAX_VECTORS 4  /* of 16 floats in a head */
#define MAX_THREADS 64 /* of which each needs room for the scores of one head */

typedef struct {
    const int8_t *values;  /* (rows / 16, columns / 4, 16, 4): blocks of 16 rows, zeros where they end */
    const float *scale;    /* (rows,) padded to 16 as all below */
    const float *bias;     /* (rows,) or NULL */
    const int32_t *offset; /* (rows,) 128 times the sum of a row: what rounding to unsigned adds */
    int32_t rows, columns; /* columns: a multiple of 4 */
} Matrix;

typedef struct {
    const float *norm_1, *norm_1_bias, *norm_2, *norm_2_bias; /* (width,); biases may be NULL */
    Matrix attention, projection, expansion, contraction;
} Layer;

typedef struct {
    const Layer *layers;
    const float *norm, *norm_bias; /* (width,) */
    int32_t n_layer, n_head, width, block;
} Network;

typedef struct {
    uint8_t *rounded; /* (n, 4 width) input rows, 0 at 128 */
    float *steps;     /* (n,) what one step of `rounded` is worth */
    float *wide;      /* (n, 4 width) queries, keys and values; then the hidden layer */
    float *narrow;    /* (n, width) what attention found */
    float *scores;    /* (MAX_THREADS, block) */
} Scratch;

/* ---- elementwise parts; plain loops that compilers vectorise ---- */

static inline float from_bf16(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static inline uint16_t to_bf16(float value) { /* to the nearest, ties to even; NaN stays NaN enough to be seen */
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static inline float exponential(float x) { /* e^x for x <= 0, within 2e-7 of it, after Cephes' expf */
    x = x < -87.0f ? -87.0f : x;
    float whole = rintf(x * 1.44269504f);
    float f = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * f * f + f + 1.0f;
    uint32_t power = (uint32_t)((int32_t)whole + 127) << 23;
    float scale;
    memcpy(&scale, &power, sizeof scale);
    return p * scale;
}

static inline float gelu(float x) { /* with erf by Abramowitz and Stegun 7.1.26, within 1.5e-7 */
    float z = fabsf(x) * 0.70710678f;
    float t = 1.0f / (1.0f + 0.3275911f * z);
    float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    float tail = 0.5f * p * exponential(-z * z); /* of the normal distribution beyond |x| */
    return x * (x < 0.0f ? tail : 1.0f - tail);
}

static void layer_norm(const float *x, const float *gain, const float *bias, int width, float *out) {
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

/* Returns what a step is worth; NaN where the row holds a NaN or an infinity, so that nobody takes it for zeros. */
static float round_row(const float *x, int width, uint8_t *rounded) {
    float largest = 0.0f, poison = 0.0f;
#pragma omp simd reduction(max : largest) reduction(+ : poison)
    for (int i = 0; i < width; i++) {
        float size = fabsf(x[i]);
        largest = size > largest ? size : largest;
        poison += x[i] * 0.0f;
    }
    if (poison != 0.0f) {
        memset(rounded, 128, (size_t)width);
        return NAN;
    }
    float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
#pragma omp simd
    for (int i = 0; i < width; i++) rounded[i] = (uint8_t)((int32_t)rintf(x[i] * inverse) + 128);
    return largest / 127.0f;
}

/* ---- products ----
 *
 * A matrix is stored in blocks of 16 rows, a block in lines of 64 bytes: four columns of each row. A line times four
 * inputs adds to 16 sums at once, and a thread reads its blocks from first to last as they lie in memory.
 */

#if defined(__AVX512VNNI__)
typedef __m512i Sums;
static inline Sums no_sums(void) { return _mm512_setzero_si512(); }
static inline Sums add_line(Sums sums, const int8_t *line, uint32_t four_inputs) {
    return _mm512_dpbusd_epi32(sums, _mm512_set1_epi32((int)four_inputs), _mm512_loadu_si512(line));
}
static inline void read_sums(Sums sums, int32_t *out) { _mm512_storeu_si512(out, sums); }
#elif defined(__AVX2__)
typedef struct { __m256i pair[4]; } Sums; /* two partial sums for each row: products of 8 bits need 16 to stay exact */
static inline Sums no_sums(void) {
    __m256i zero = _mm256_setzero_si256();
    return (Sums){{zero, zero, zero, zero}};
}
static inline Sums add_line(Sums sums, const int8_t *line, uint32_t four_inputs) {
    __m256i x = _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(_mm_cvtsi32_si128((int)four_inputs)));
    for (int i = 0; i < 4; i++) {
        __m256i rows = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)line + i));
        sums.pair[i] = _mm256_add_epi32(sums.pair[i], _mm256_madd_epi16(rows, x));
    }
    return sums;
}
static inline void read_sums(Sums sums, int32_t *out) {
    int32_t parts[32];
    for (int i = 0; i < 4; i++) _mm256_storeu_si256((__m256i *)parts + i, sums.pair[i]);
    for (int row = 0; row < ROWS; row++) out[row] = parts[2 * row] + parts[2 * row + 1];
}
#else
typedef struct { int32_t row[ROWS]; } Sums;
static inline Sums no_sums(void) { return (Sums){{0}}; }
static inline Sums add_line(Sums sums, const int8_t *line, uint32_t four_inputs) {
    uint8_t x[4];
    memcpy(x, &four_inputs, 4);
    for (int row = 0; row < ROWS; row++, line += 4)
        sums.row[row] += line[0] * x[0] + line[1] * x[1] + line[2] * x[2] + line[3] * x[3];
    return sums;
}
static inline void read_sums(Sums sums, int32_t *out) { memcpy(out, sums.row, sizeof sums.row); }
#endif

static inline uint32_t four(const uint8_t *x) {
    uint32_t inputs;
    memcpy(&inputs, x, 4);
    return inputs;
}

/* out[r][16] = a block of 16 rows times `count` inputs, whose rows are `columns` apart */
INLINE void block_of(const int8_t *lines, const uint8_t *x, int columns, int count, int32_t out[][ROWS]) {
    Sums sums[INPUTS];
    for (int r = 0; r < count; r++) sums[r] = no_sums();
    for (int c = 0; c < columns; c += 4) {
        __builtin_prefetch(lines + 16 * c + AHEAD);
        for (int r = 0; r < count; r++) sums[r] = add_line(sums[r], lines + 16 * c, four(x + (size_t)r * columns + c));
    }
    for (int r = 0; r < count; r++) read_sums(sums[r], out[r]);
}

/* The same for one input: four sums in flight, or each line would wait for the one before. */
static void block_of_one(const int8_t *lines, const uint8_t *x, int columns, int32_t *out) {
    Sums sums[4] = {no_sums(), no_sums(), no_sums(), no_sums()};
    int c = 0;
    for (; c + 16 <= columns; c += 16)
        for (int i = 0; i < 4; i++) {
            __builtin_prefetch(lines + 16 * (c + 4 * i) + AHEAD);
            sums[i] = add_line(sums[i], lines + 16 * (c + 4 * i), four(x + c + 4 * i));
        }
    for (; c < columns; c += 4) sums[0] = add_line(sums[0], lines + 16 * c, four(x + c));
    int32_t parts[4][ROWS];
    for (int i = 0; i < 4; i++) read_sums(sums[i], parts[i]);
    for (int row = 0; row < ROWS; row++) out[row] = parts[0][row] + parts[1][row] + parts[2][row] + parts[3][row];
}

#if defined(__AMX_INT8__)
/* 16 lines of a block are what AMX calls a tile: 64 columns of 16 rows. Every thread says so before it multiplies. */
static void begin_tiles(void) {
    struct { uint8_t palette, start, unused[14]; uint16_t bytes[16]; uint8_t rows[16]; } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) shape.bytes[i] = 64, shape.rows[i] = 16;
    _tile_loadconfig(&shape);
}
static void end_tiles(void) { _tile_release(); }

/* out[i][r][16], i < 2: a block of 16 rows times 32 inputs */
static void tiles(const int8_t *lines, const uint8_t *x, int columns, int32_t out[][ROWS]) {
    _tile_zero(0);
    _tile_zero(1);
    for (int c = 0; c < columns; c += 64) {
        _tile_loadd(4, lines + 16 * (size_t)c, 64);
        _tile_loadd(2, x + c, columns);
        _tile_dpbusd(0, 2, 4);
        _tile_loadd(3, x + 16 * (size_t)columns + c, columns);
        _tile_dpbusd(1, 3, 4);
    }
    _tile_stored(0, out[0], 64);
    _tile_stored(1, out[16], 64);
}
/* The same for 16 inputs. */
static void tile(const int8_t *lines, const uint8_t *x, int columns, int32_t out[][ROWS]) {
    _tile_zero(0);
    for (int c = 0; c < columns; c += 64) {
        for (int ahead = 0; ahead < 16; ahead++) __builtin_prefetch(lines + 16 * (size_t)c + 64 * ahead + AHEAD);
        _tile_loadd(4, lines + 16 * (size_t)c, 64);
        _tile_loadd(2, x + c, columns);
        _tile_dpbusd(0, 2, 4);
    }
    _tile_stored(0, out[0], 64);
}
#else
static void begin_tiles(void) {}
static void end_tiles(void) {}
#endif

/* Does what it can of `count` inputs and returns how many: constant counts keep the sums in registers. */
static int block(const int8_t *lines, const uint8_t *x, int columns, int count, int32_t out[][ROWS]) {
#if defined(__AMX_INT8__)
    if (columns % 64 == 0 && count >= 32) return tiles(lines, x, columns, out), 32;
    if (columns % 64 == 0 && count >= 16) return tile(lines, x, columns, out), 16;
#endif
    if (count >= INPUTS) return block_of(lines, x, columns, INPUTS, out), INPUTS;
    if (count >= 8) return block_of(lines, x, columns, 8, out), 8;
    if (count >= 4) return block_of(lines, x, columns, 4, out), 4;
    if (count >= 2) return block_of(lines, x, columns, 2, out), 2;
    return block_of_one(lines, x, columns, out[0]), 1;
}

/* Whether this processor lets us use what this file was compiled for. */
int32_t bark_may_run(void) {
#if defined(__AMX_INT8__)
    return syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* XTILEDATA */) == 0;
#else
    return 1;
#endif
}

enum { STORE, ADD, GELU }; /* what becomes of a product */

/* What becomes of the sums of a block with one input, whose step is `step`: to (rows,) */
static inline void finish(const Matrix *m, int first, const int32_t *sums, float step, int end, float *to) {
    int rows = m->rows - first < ROWS ? m->rows - first : ROWS;
    float y[ROWS];
    for (int w = 0; w < ROWS; w++) y[w] = (float)(sums[w] - m->offset[first + w]) * m->scale[first + w] * step;
    if (m->bias)
        for (int w = 0; w < ROWS; w++) y[w] += m->bias[first + w];
    if (end == GELU)
        for (int w = 0; w < ROWS; w++) y[w] = gelu(y[w]);
    if (end == ADD)
        for (int w = 0; w < rows; w++) y[w] += to[w];
    memcpy(to, y, sizeof(float) * (size_t)rows);
}

/* out (n, rows): rounded (n, columns) times the matrix, shared among the threads. GROUP rows meet the same inputs in
 * turn, so that what is written lies together; PART inputs stay in the cache until every row has met them. */
static void product(const Matrix *m, const Scratch *s, int n, float *out, int end) {
    int size = n < 32 ? ROWS : GROUP; /* few inputs: equal shares matter more */
    for (int part = 0; part < n; part += PART) {
        int stop = n - part < PART ? n : part + PART;
#pragma omp for schedule(static) nowait
        for (int group = 0; group < m->rows; group += size) {
            int last = m->rows - group < size ? m->rows : group + size;
            for (int i = part, count = 0; i < stop; i += count)
                for (int first = group; first < last; first += ROWS) {
                    int32_t sums[32][ROWS];
                    count = block(m->values + (size_t)first * m->columns, s->rounded + (size_t)i * m->columns,
                                  m->columns, stop - i, sums);
                    for (int r = 0; r < count; r++)
                        finish(m, first, sums[r], s->steps[i + r], end, out + (size_t)(i + r) * m->rows + first);
                }
        }
    }
#pragma omp barrier
}

/* ---- attention ---- */

/* The cache of one sequence is (layers, 2, heads, block, size): keys, then values. */
static uint16_t *cache_of(const Network *net, uint16_t *cache, int layer, int which, int head) {
    int size = net->width / net->n_head;
    return cache + (((size_t)layer * 2 + which) * net->n_head + head) * net->block * size;
}

static void remember(const Network *net, uint16_t *cache, int layer, int position, const float *row) {
    int size = net->width / net->n_head;
    for (int which = 0; which < 2; which++)
        for (int head = 0; head < net->n_head; head++) {
            uint16_t *to = cache_of(net, cache, layer, which, head) + (size_t)position * size;
            const float *from = row + (size_t)(which + 1) * net->width + (size_t)head * size;
            for (int i = 0; i < size; i++) to[i] = to_bf16(from[i]);
        }
}

/* dots[k] = query . key k, for `count` keys; out = the sum of weights[k] * value k */
#if defined(__AVX512F__)
static inline __m512 load_bf16(const uint16_t *from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), 16));
}

INLINE void dots_of(const float *query, const uint16_t *keys, int count, int vectors, float *dots) {
    __m512 q[MAX_VECTORS];
    for (int v = 0; v < vectors; v++) q[v] = _mm512_loadu_ps(query + 16 * v);
    for (int t = 0; t < count; t++) {
        for (int v = 0; v < vectors; v += 2) __builtin_prefetch(keys + ((size_t)t * vectors + v) * 16 + AHEAD / 2);
        __m512 sum = _mm512_mul_ps(q[0], load_bf16(keys + (size_t)t * 16 * vectors));
        for (int v = 1; v < vectors; v++)
            sum = _mm512_fmadd_ps(q[v], load_bf16(keys + ((size_t)t * vectors + v) * 16), sum);
        dots[t] = _mm512_reduce_add_ps(sum);
    }
}

INLINE void gather_of(const float *weights, const uint16_t *values, int count, int vectors, float *out) {
    __m512 sum[MAX_VECTORS];
    for (int v = 0; v < vectors; v++) sum[v] = _mm512_setzero_ps();
    for (int t = 0; t < count; t++) {
        for (int v = 0; v < vectors; v += 2) __builtin_prefetch(values + ((size_t)t * vectors + v) * 16 + AHEAD / 2);
        __m512 weight = _mm512_set1_ps(weights[t]);
        for (int v = 0; v < vectors; v++)
            sum[v] = _mm512_fmadd_ps(weight, load_bf16(values + ((size_t)t * vectors + v) * 16), sum[v]);
    }
    for (int v = 0; v < vectors; v++) _mm512_storeu_ps(out + 16 * v, sum[v]);
}
#endif

static void dots(const float *query, const uint16_t *keys, int count, int size, float *out) {
#if defined(__AVX512F__)
    if (size == 64) { dots_of(query, keys, count, 4, out); return; }
#endif
    for (int t = 0; t < count; t++) {
        const uint16_t *key = keys + (size_t)t * size;
        float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
        for (int i = 0; i < size; i++) dot += query[i] * from_bf16(key[i]);
        out[t] = dot;
    }
}

static void gather(const float *weights, const uint16_t *values, int count, int size, float *out) {
#if defined(__AVX512F__)
    if (size == 64) { gather_of(weights, values, count, 4, out); return; }
#endif
    for (int i = 0; i < size; i++) out[i] = 0.0f;
    for (int t = 0; t < count; t++) {
        const uint16_t *value = values + (size_t)t * size;
#pragma omp simd
        for (int i = 0; i < size; i++) out[i] += weights[t] * from_bf16(value[i]);
    }
}

/* What one head's query finds among `seen` positions: out (size,) */
static void attend(const float *query, const uint16_t *keys, const uint16_t *values, int seen, int size,
                   float *scores, float *out) {
    float scale = 1.0f / sqrtf((float)size), largest = -INFINITY, sum = 0.0f;
    dots(query, keys, seen, size, scores);
#pragma omp simd reduction(max : largest)
    for (int t = 0; t < seen; t++) largest = scores[t] > largest ? scores[t] : largest;
#pragma omp simd reduction(+ : sum)
    for (int t = 0; t < seen; t++) {
        scores[t] = exponential((scores[t] - largest) * scale);
        sum += scores[t];
    }
    gather(scores, values, seen, size, out);
    for (int i = 0; i < size; i++) out[i] /= sum;
}

/* ---- the step; every function below runs in all threads and ends with all of them in the same place ---- */

/* Rows of `rounded` are as wide as the matrix that reads them: whole fours, of which the rest meets zeros. */
static inline size_t whole_fours(int width) { return ((size_t)width + 3) / 4 * 4; }

static void norm_and_round(const Scratch *s, const float *x, const float *gain, const float *bias, int n, int width) {
#pragma omp for schedule(static)
    for (int i = 0; i < n; i++) {
        float *row = s->wide + (size_t)i * 4 * width; /* free at this time */
        layer_norm(x + (size_t)i * width, gain, bias, width, row);
        s->steps[i] = round_row(row, width, s->rounded + i * whole_fours(width));
    }
}

static void round_rows(const Scratch *s, const float *x, int n, int width) {
#pragma omp for schedule(static)
    for (int i = 0; i < n; i++)
        s->steps[i] = round_row(x + (size_t)i * width, width, s->rounded + i * whole_fours(width));
}

/* x (n, width) += contraction(gelu(expansion(norm_2(x)))) */
static void other_half(const Layer *layer, const Scratch *s, float *x, int n, int width) {
    norm_and_round(s, x, layer->norm_2, layer->norm_2_bias, n, width);
    product(&layer->expansion, s, n, s->wide, GELU);
    round_rows(s, s->wide, n, 4 * width);
    product(&layer->contraction, s, n, x, ADD);
}

static void attention(const Network *net, const Scratch *s, int layer, int n, uint16_t *const *caches,
                      const int32_t *positions, int thread) {
    int size = net->width / net->n_head;
#pragma omp for schedule(static)
    for (int i = 0; i < n; i++)
        remember(net, caches[i], layer, positions[i], s->wide + (size_t)i * 3 * net->width);
#pragma omp for schedule(dynamic, 1)
    for (int job = 0; job < n * net->n_head; job++) {
        int i = job / net->n_head, head = job % net->n_head;
        const float *query = s->wide + (size_t)i * 3 * net->width + (size_t)head * size;
        const uint16_t *keys = cache_of(net, caches[i], layer, 0, head);
        const uint16_t *values = cache_of(net, caches[i], layer, 1, head);
        attend(query, keys, values, positions[i] + 1, size, s->scores + (size_t)thread * net->block,
               s->narrow + (size_t)i * net->width + (size_t)head * size);
    }
}

#ifdef _OPENMP
#include <omp.h>
#define THREAD omp_get_thread_num()
#else
#define THREAD 0
#endif

/* The structs' sizes, packed into one number. */
int64_t bark_layout(void) {
    return (int64_t)sizeof(Matrix) | (int64_t)sizeof(Layer) << 16 | (int64_t)sizeof(Network) << 32 |
           (int64_t)sizeof(Scratch) << 48;
}

int32_t bark_has_threads(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

int32_t bark_max_threads(void) { return MAX_THREADS; }
int32_t bark_most_rows(void) { return PART; }

/* x (n, width): in, the embeddings; out, the final hidden states. caches and positions (n,): where each one belongs. */
void bark_step(const Network *net, const Scratch *s, int32_t n, float *x, uint16_t *const *caches,
               const int32_t *positions, int32_t threads) {
    int width = net->width;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int thread = THREAD;
        begin_tiles();
        for (int l = 0; l < net->n_layer; l++) {
            const Layer *layer = net->layers + l;
            norm_and_round(s, x, layer->norm_1, layer->norm_1_bias, n, width);
            product(&layer->attention, s, n, s->wide, STORE);
            attention(net, s, l, n, caches, positions, thread);
            round_rows(s, s->narrow, n, width);
            product(&layer->projection, s, n, x, ADD);
            other_half(layer, s, x, n, width);
        }
#pragma omp for schedule(static)
        for (int i = 0; i < n; i++) {
            float *row = s->narrow + (size_t)i * width;
            layer_norm(x + (size_t)i * width, net->norm, net->norm_bias, width, row);
            memcpy(x + (size_t)i * width, row, sizeof(float) * (size_t)width);
        }
        end_tiles();
    }
}

/* A whole prompt or window, layer by layer; what lies between, attention, is the caller's.
 * found (n, 3 width): queries, keys and values in bfloat16 of x (n, width) */
void bark_queries(const Network *net, const Scratch *s, int32_t l, int32_t n, const float *x, uint16_t *found,
                  int32_t threads) {
    const Layer *layer = net->layers + l;
    int width = net->width;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        begin_tiles();
        for (int part = 0; part < n; part += PART) {
            int count = n - part < PART ? n - part : PART;
            norm_and_round(s, x + (size_t)part * width, layer->norm_1, layer->norm_1_bias, count, width);
            product(&layer->attention, s, count, s->wide, STORE);
#pragma omp for schedule(static)
            for (int i = 0; i < count; i++)
                for (int j = 0; j < 3 * width; j++)
                    found[((size_t)part + i) * 3 * width + j] = to_bf16(s->wide[(size_t)i * 3 * width + j]);
        }
        end_tiles();
    }
}

/* x (n, width), in place: add what attention found (n, width), in bfloat16, and then the layer's other half. */
void bark_absorb(const Network *net, const Scratch *s, int32_t l, int32_t n, const uint16_t *found, float *x,
                 int32_t threads) {
    const Layer *layer = net->layers + l;
    int width = net->width;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        begin_tiles();
        for (int part = 0; part < n; part += PART) {
            int count = n - part < PART ? n - part : PART;
            float *rows = x + (size_t)part * width;
#pragma omp for schedule(static)
            for (int i = 0; i < count * width; i++) s->narrow[i] = from_bf16(found[(size_t)part * width + i]);
            round_rows(s, s->narrow, count, width);
            product(&layer->projection, s, count, rows, ADD);
            other_half(layer, s, rows, count, width);
        }
        end_tiles();
    }
}

/* y (n, rows) = x (n, width) times the matrix: the head's share of a step. */
void bark_product(const Matrix *m, const Scratch *s, int32_t n, int32_t width, const float *x, float *y,
                  int32_t threads) {
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        begin_tiles();
        round_rows(s, x, n, width);
        product(m, s, n, y, STORE);
        end_tiles();
    }
}
