/* The tile of this instruction set: sums[r][16] += a block of 16 rows times some inputs, four columns at a time.
 *
 * Each tile_*.h says how a product reads its inputs (BIAS is added to each, BYTES lie in memory for each, `arrange`
 * puts a rounded row so), and lists its tiles in `tiles`, widest first, the last of them for one input. So matrices and
 * attention are multiplied, but for AVX2, which has another way for matrices (matrix_avx2.h).
 */
#ifndef BARK_TILE_H
#define BARK_TILE_H

#include <string.h>

#include "network.h"

#define AHEAD 2048 /* bytes of a matrix that are asked of memory before they are needed */

/* sums (inputs, ROWS) += lines (columns / 4, 16, 4) times x, of which an input begins every `stride` bytes */
typedef void Multiply(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]);
typedef struct {
    int inputs; /* that are multiplied at once */
    Multiply *multiply;
} Tile;

static inline int32_t four_bytes(const uint8_t *x) {
    int32_t bytes;
    memcpy(&bytes, x, 4);
    return bytes;
}

#if defined(__AMX_INT8__)
#include "tile_amx.h"
#elif defined(__AVX512VNNI__)
#include "tile_vnni.h"
#elif defined(__AVXVNNI__)
#include "tile_avxvnni.h"
#elif defined(__AVX2__)
#include "tile_avx2.h"

#include "matrix_avx2.h"
#elif defined(__ARM_FEATURE_DOTPROD) && !defined(BARK_PLAIN)
#include "tile_dotprod.h"
#elif defined(__aarch64__) && !defined(BARK_PLAIN)
#include "tile_neon.h"
#else
#include "tile_plain.h"
#endif

#if !defined(INPUT_BIAS) /* matrices are multiplied as all else is, and their blocks are alike */
#define INPUT_BIAS BIAS
#define WEIGHT_BIAS 0
#define block_tiles tiles
#define calm_tiles tiles

static inline size_t input_bytes(int columns) { return (size_t)columns * BYTES; }
static inline size_t input_place(int column) { return (size_t)column * BYTES; }
static inline void arrange_input(uint8_t *row, int columns) { arrange(row, columns); }
static inline int is_calm(const int8_t *run, int lines) { (void)run, (void)lines; return 0; }
static inline int columns_alike(uint8_t run, int columns) { (void)run; return columns; }
static inline void multiply_taken(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int n,
                                  int32_t (*sums)[ROWS]) {
    (void)lines, (void)x, (void)stride, (void)columns, (void)n, (void)sums;
}
#endif

/* sums (n, ROWS) += a block times n inputs, by the widest of these tiles that they fill, and so on */
static inline void multiply(const Tile *tile, const int8_t *lines, const uint8_t *x, size_t stride, int columns, int n,
                            int32_t (*sums)[ROWS]) {
    for (int i = 0; i < n; i += tile->inputs) {
        while (tile->inputs > n - i) tile++;
        tile->multiply(lines, x + i * stride, stride, columns, sums + i);
    }
}

#endif
