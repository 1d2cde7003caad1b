/* ARM without dot products: two products of 127 * 127 fit 16 bits, so two lines are multiplied before they widen. */
#include <arm_neon.h>

enum { BIAS = 0, BYTES = 1 };

static inline void begin_tiles(void) {}
static inline void end_tiles(void) {}
static inline void arrange(uint8_t *row, int columns) { (void)row, (void)columns; }

/* sum[4] (pairs of rows) += one line, or this one and the next */
INLINE void add_lines(const int8_t *lines, const uint8_t *x, int count, int32x4_t *sum) {
    int8x16_t first = vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(x)));
    int8x16_t second = vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(x + 4 * (count - 1))));
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        int8x16_t rows = vld1q_s8(lines + 16 * v);
        int16x8_t low = vmull_s8(vget_low_s8(rows), vget_low_s8(first)), high = vmull_high_s8(rows, first);
        if (count == 2) {
            rows = vld1q_s8(lines + 64 + 16 * v);
            low = vmlal_s8(low, vget_low_s8(rows), vget_low_s8(second)), high = vmlal_high_s8(high, rows, second);
        }
        sum[2 * v] = vpadalq_s16(sum[2 * v], low);
        sum[2 * v + 1] = vpadalq_s16(sum[2 * v + 1], high);
    }
}

static void neon_1(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    int32x4_t sum[8]; /* of two rows each, halves of which belong together */
    (void)stride;
    for (int v = 0; v < 8; v++) sum[v] = vdupq_n_s32(0);
    int c = 0;
    for (; c + 8 <= columns; c += 8, lines += 128, x += 8) {
        __builtin_prefetch(lines + AHEAD);
        add_lines(lines, x, 2, sum);
    }
    if (c < columns) add_lines(lines, x, 1, sum);
    for (int v = 0; v < 4; v++)
        vst1q_s32(sums[0] + 4 * v, vaddq_s32(vld1q_s32(sums[0] + 4 * v), vpaddq_s32(sum[2 * v], sum[2 * v + 1])));
}

static const Tile tiles[] = {{1, neon_1}};
