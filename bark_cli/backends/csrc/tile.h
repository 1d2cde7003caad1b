/* The tile of this instruction set: sums[r][16] += a block of 16 rows times some inputs, four columns at a time.
 *
 * Each tile_*.h says how a product reads its inputs (BIAS is added to each, BYTES lie in memory for each, `arrange`
 * puts a rounded row so), and lists its tiles in `tiles`, widest first, the last of them for one input. Where products
 * add up in 16 bits, `calm_tiles` do so for LONG_RUN lines, of blocks which no input of at most LARGEST makes overflow.
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
#elif defined(__ARM_FEATURE_DOTPROD) && !defined(BARK_PLAIN)
#include "tile_dotprod.h"
#elif defined(__aarch64__) && !defined(BARK_PLAIN)
#include "tile_neon.h"
#else
#include "tile_plain.h"
#endif

#if !defined(LONG_RUN) /* sums are of 32 bits from the first product on, and all blocks are alike */
#define LONG_RUN 0
#define LARGEST 0
#define calm_tiles tiles
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
