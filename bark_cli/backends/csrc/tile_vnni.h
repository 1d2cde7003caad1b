/* AVX-512 VNNI: a line of 16 rows and four columns times four inputs in one instruction. */
#include <immintrin.h>

enum { BIAS = 128, BYTES = 1 };

#if !defined(__AMX_INT8__)
static inline void begin_tiles(void) {}
static inline void end_tiles(void) {}
#endif
static inline void arrange(uint8_t *row, int columns) { (void)row, (void)columns; }

INLINE void vnni(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int inputs,
                 int32_t (*sums)[ROWS]) {
    __m512i sum[16];
#pragma GCC unroll 16
    for (int i = 0; i < inputs; i++) sum[i] = _mm512_loadu_si512(sums[i]);
    for (int c = 0; c < columns; c += 4, lines += 64, x += 4) {
        __builtin_prefetch(lines + AHEAD);
        __m512i line = _mm512_loadu_si512(lines);
#pragma GCC unroll 16
        for (int i = 0; i < inputs; i++)
            sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_set1_epi32(four_bytes(x + i * stride)), line);
    }
#pragma GCC unroll 16
    for (int i = 0; i < inputs; i++) _mm512_storeu_si512(sums[i], sum[i]);
}

/* one input: four lines in flight, or each would wait for the one before */
static void vnni_1(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    __m512i sum[4] = {_mm512_loadu_si512(sums[0])};
    (void)stride;
    int c = 0;
    for (; c + 16 <= columns; c += 16, lines += 256, x += 16)
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __builtin_prefetch(lines + 64 * i + AHEAD);
            __m512i line = _mm512_loadu_si512(lines + 64 * i);
            sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_set1_epi32(four_bytes(x + 4 * i)), line);
        }
    for (; c < columns; c += 4, lines += 64, x += 4)
        sum[0] = _mm512_dpbusd_epi32(sum[0], _mm512_set1_epi32(four_bytes(x)), _mm512_loadu_si512(lines));
    _mm512_storeu_si512(sums[0], _mm512_add_epi32(_mm512_add_epi32(sum[0], sum[1]), _mm512_add_epi32(sum[2], sum[3])));
}
static void vnni_2(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    vnni(lines, x, stride, columns, 2, sums);
}
static void vnni_4(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    vnni(lines, x, stride, columns, 4, sums);
}
static void vnni_8(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    vnni(lines, x, stride, columns, 8, sums);
}
static void vnni_16(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    vnni(lines, x, stride, columns, 16, sums);
}

#if !defined(__AMX_INT8__)
static const Tile tiles[] = {{16, vnni_16}, {8, vnni_8}, {4, vnni_4}, {2, vnni_2}, {1, vnni_1}};
#endif
