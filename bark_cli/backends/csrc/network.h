/* What the int8 kernel computes with: matrices, layers, networks, and the memory of a call.
 *
 * The structs are mirrored in kernel.py, which compares bark_layout.
 */
#ifndef BARK_NETWORK_H
#define BARK_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

#define ROWS 16       /* of a matrix that lie together and are multiplied at once */
#define RUN_COLUMNS 16 /* of a block whose products may be added up together before the sums are widened */
#define PART 256      /* inputs that meet a matrix in one go, at most */
#define SHARE 128     /* positions of a window that a thread takes through a layer, at most; their rows fit a cache */
#define QUERIES 24    /* of one head that look for keys together */
#define PANEL 16      /* columns of a product of floats that lie together */
#define MAX_THREADS 64

typedef struct {
    const int8_t *values; /* (rows / 16, columns / 4, 16, 4): blocks of 16 rows, zeros where they end (plus WEIGHT_BIAS,
                             pack.c) */
    const float *scale;   /* (rows,) padded to 16 as all below */
    const float *bias;    /* (rows,) or NULL */
    const int32_t *total; /* (rows,) the sum of a row: what an input of ones would give */
    const uint8_t *calm;  /* (rows / 16, columns / 16) of each block's runs of columns. Bit 0: longer sums fit 16 bits
                             (matrix_avx2.h); the other bits: how many runs from here on are like it, at most 127 */
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
    uint8_t *rounded; /* (room,) inputs of 4 width columns as the products read them */
    float *steps;     /* (room,) what one step of `rounded` is worth */
    float *wide;      /* (room, 4 width) the hidden layer, or a row on its way to `rounded` */
    float *mixed;     /* (positions, 3 width) queries, keys and values */
    float *found;     /* (positions, width) what attention found */
    uint8_t *heard;   /* a cache of one layer (cache.h), of a window that has none */
} Scratch;            /* room: PART, or SHARE for each thread that shares a window; positions: a block's, at least PART */

/* A whole prompt, which fills the start of a cache, or, without one, a window whose positions all see each other. */
typedef struct {
    float *x; /* (n, width): in, the embeddings; out, the final hidden states of the positions first .. n, and of no other */
    uint8_t *cache;
    int32_t n, first;
} Window;

/* network.c, which Python calls:
 * x (n, width), n <= PART: in, the embeddings; out, the final hidden states. caches and positions (n,): where each one
 * belongs. The positions may belong to n sequences or follow each other in one. */
void bark_step(const Network *net, const Scratch *s, int32_t n, float *x, uint8_t *const *caches,
               const int32_t *positions, int32_t threads);
/* Each thread takes a window of its own where there is a Scratch for each, s (rooms,); what is left over, or all, goes
 * one after the other, by all threads and in the first Scratch. */
void bark_windows(const Network *net, const Scratch *s, int32_t rooms, int32_t count, const Window *windows,
                  int32_t threads);
/* y (n, rows) = x (n, width) times the matrix: a head's share. */
void bark_product(const Matrix *m, const Scratch *s, int32_t n, int32_t width, const float *x, float *y,
                  int32_t threads);
int64_t bark_input_bytes(int32_t columns);

enum { STORE, ADD, GELU }; /* what becomes of a product */

/* what only these files call: a process has other functions of such names (the C library has a `step`) */
#pragma GCC visibility push(hidden)

/* products.c: out (n, rows) = the inputs in s->rounded (n, columns) times the matrix; n <= PART */
void product(const Matrix *m, const Scratch *s, int n, float *out, int end);
/* network.c: x (n, width), n <= PART, from embeddings to final hidden states; where each belongs */
void step(const Network *net, const Scratch *s, int n, float *x, uint8_t *const *caches, const int32_t *positions);
/* rows.c: x (n, width) as inputs of a product, as they are or after a layer norm */
void round_rows(const Scratch *s, const float *x, int n, int width);
void norm_and_round(const Scratch *s, const float *x, const float *gain, const float *bias, int n, int width);
void layer_norm(const float *x, const float *gain, const float *bias, int width, float *out);
/* rounded (width,) = x by its largest value, plus `bias`; returns what a step is worth, NaN where the row holds a NaN or
 * an infinity, so that nobody takes it for zeros */
float round_row(const float *x, int width, int bias, uint8_t *rounded);

/* attention.c: s->mixed -> s->found, for n rows that may belong to n sequences, each with a cache and a place in it */
void attend_steps(const Network *net, const Scratch *s, int layer, int n, uint8_t *const *caches,
                  const int32_t *positions);
/* The same for the positions first .. n of one sequence, which see those before them and are kept in its cache; or,
 * without a cache, see all. */
void attend_window(const Network *net, const Scratch *s, int layer, int n, int first, uint8_t *cache);

#pragma GCC visibility pop

#endif
