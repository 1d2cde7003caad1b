/* AVX-VNNI (Intel's 12th generation and later, without AVX-512): four products and their sum in one instruction. */
#include <immintrin.h>

enum { BIAS = 128, BYTES = 1 };

static inline void begin_tiles(void) {}
static inline void end_tiles(void) {}
static inline void arrange(uint8_t *row, int columns) { (void)row, (void)columns; }

INLINE void avxvnni(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int inputs,
                    int32_t (*sums)[ROWS]) {
    __m256i sum[6][2];
#pragma GCC unroll 6
    for (int i = 0; i < inputs; i++)
        for (int v = 0; v < 2; v++) sum[i][v] = _mm256_loadu_si256((const __m256i *)sums[i] + v);
    for (int c = 0; c < columns; c += 4, lines += 64, x += 4) {
        __builtin_prefetch(lines + AHEAD);
        __m256i rows[2] = {_mm256_loadu_si256((const __m256i *)lines), _mm256_loadu_si256((const __m256i *)lines + 1)};
#pragma GCC unroll 6
        for (int i = 0; i < inputs; i++) {
            __m256i four = _mm256_set1_epi32(four_bytes(x + i * stride));
            for (int v = 0; v < 2; v++) sum[i][v] = _mm256_dpbusd_avx_epi32(sum[i][v], four, rows[v]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < inputs; i++)
        for (int v = 0; v < 2; v++) _mm256_storeu_si256((__m256i *)sums[i] + v, sum[i][v]);
}

/* one input: four lines in flight, or each would wait for the one before */
static void avxvnni_1(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    __m256i sum[4][2] = {{_mm256_loadu_si256((const __m256i *)sums[0]), _mm256_loadu_si256((const __m256i *)sums[0] + 1)}};
    (void)stride;
    for (int line = 0; line < columns / 4; line++, lines += 64, x += 4) {
        __builtin_prefetch(lines + AHEAD);
        __m256i four = _mm256_set1_epi32(four_bytes(x));
        for (int v = 0; v < 2; v++)
            sum[line & 3][v] = _mm256_dpbusd_avx_epi32(sum[line & 3][v], four, _mm256_loadu_si256((const __m256i *)lines + v));
    }
    for (int v = 0; v < 2; v++)
        _mm256_storeu_si256((__m256i *)sums[0] + v, _mm256_add_epi32(_mm256_add_epi32(sum[0][v], sum[1][v]),
                                                                     _mm256_add_epi32(sum[2][v], sum[3][v])));
}
static void avxvnni_2(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    avxvnni(lines, x, stride, columns, 2, sums);
}
static void avxvnni_6(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    avxvnni(lines, x, stride, columns, 6, sums);
}

static const Tile tiles[] = {{6, avxvnni_6}, {2, avxvnni_2}, {1, avxvnni_1}};
