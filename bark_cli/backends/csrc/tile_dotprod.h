/* ARM with dot products (Apple silicon, Graviton, Raspberry Pi 5): four products and their sum in one instruction. */
#include <arm_neon.h>

enum { BIAS = 0, BYTES = 1 };

static inline void begin_tiles(void) {}
static inline void end_tiles(void) {}
static inline void arrange(uint8_t *row, int columns) { (void)row, (void)columns; }

INLINE void dotprod(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int inputs,
                    int32_t (*sums)[ROWS]) {
    int32x4_t sum[4][4]; /* inputs, four rows each */
#pragma GCC unroll 4
    for (int i = 0; i < inputs; i++)
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) sum[i][v] = vld1q_s32(sums[i] + 4 * v);
    for (int c = 0; c < columns; c += 4, lines += 64, x += 4) {
        __builtin_prefetch(lines + AHEAD);
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            int8x16_t rows = vld1q_s8(lines + 16 * v);
#pragma GCC unroll 4
            for (int i = 0; i < inputs; i++)
                sum[i][v] = vdotq_s32(sum[i][v], rows, vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(x + i * stride))));
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < inputs; i++)
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) vst1q_s32(sums[i] + 4 * v, sum[i][v]);
}

static void dotprod_1(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    dotprod(lines, x, stride, columns, 1, sums);
}
static void dotprod_2(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    dotprod(lines, x, stride, columns, 2, sums);
}
static void dotprod_4(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    dotprod(lines, x, stride, columns, 4, sums);
}

static const Tile tiles[] = {{4, dotprod_4}, {2, dotprod_2}, {1, dotprod_1}};
