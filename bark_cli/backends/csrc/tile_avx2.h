/* AVX2, attention: an input as two halves of four bits, so that eight products of 16 bits add up without an overflow.
 *
 * maddubs multiplies 32 unsigned by signed bytes and adds neighbours to 16 bits. With whole inputs two such products
 * fill 15 bits, and each has to be widened before it is added. A half is at most 15: 2 * 15 * 127 * 8 = 30,480.
 */
#include <immintrin.h>

enum { BIAS = 128, BYTES = 2 };
enum { RUN = 8 }; /* lines that 16 bits hold the sums of */

static inline void begin_tiles(void) {}
static inline void end_tiles(void) {}

/* (columns,) bytes -> of every four columns the four upper halves, then the four lower ones; from behind, in place */
static inline void arrange(uint8_t *row, int columns) {
    int c = columns;
    for (; c >= 32; c -= 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(row + c - 32)), mask = _mm256_set1_epi8(15);
        __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask), low = _mm256_and_si256(bytes, mask);
        __m256i first = _mm256_unpacklo_epi32(high, low), second = _mm256_unpackhi_epi32(high, low);
        _mm256_storeu_si256((__m256i *)(row + 2 * c - 32), _mm256_permute2x128_si256(first, second, 0x31));
        _mm256_storeu_si256((__m256i *)(row + 2 * c - 64), _mm256_permute2x128_si256(first, second, 0x20));
    }
    for (c -= 4; c >= 0; c -= 4) {
        uint32_t four = (uint32_t)four_bytes(row + c), halves[2] = {four >> 4 & 0x0f0f0f0f, four & 0x0f0f0f0f};
        memcpy(row + 2 * c, halves, sizeof halves);
    }
}

INLINE void add_products(__m256i *sum, __m256i half, __m256i rows) {
    *sum = _mm256_add_epi16(*sum, _mm256_maddubs_epi16(half, rows));
    __asm__ volatile("" : "+x"(*sum)); /* or GCC moves it to memory */
}

/* sums of some inputs += so many lines times each */
INLINE void halves_of(const int8_t *lines, const uint8_t *x, size_t stride, int count, int inputs,
                      int32_t (*sums)[ROWS]) {
    __m256i upper[3][2], lower[3][2];
#pragma GCC unroll 4
    for (int i = 0; i < inputs; i++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) upper[i][v] = lower[i][v] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int line = 0; line < count; line++, lines += 64, x += 8) {
        __builtin_prefetch(lines + AHEAD);
        __m256i rows[2] = {_mm256_loadu_si256((const __m256i *)lines), _mm256_loadu_si256((const __m256i *)lines + 1)};
#pragma GCC unroll 4
        for (int i = 0; i < inputs; i++) {
            __m256i high = _mm256_set1_epi32(four_bytes(x + i * stride));
            add_products(&upper[i][0], high, rows[0]);
            add_products(&upper[i][1], high, rows[1]);
            __m256i low = _mm256_set1_epi32(four_bytes(x + i * stride + 4));
            add_products(&lower[i][0], low, rows[0]);
            add_products(&lower[i][1], low, rows[1]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < inputs; i++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            __m256i both = _mm256_add_epi32(_mm256_madd_epi16(upper[i][v], _mm256_set1_epi16(16)),
                                            _mm256_madd_epi16(lower[i][v], _mm256_set1_epi16(1)));
            __m256i *to = (__m256i *)sums[i] + v;
            _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), both));
        }
}

INLINE void halves(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int inputs,
                   int32_t (*sums)[ROWS]) {
    int c = 0;
    for (; c + 4 * RUN <= columns; c += 4 * RUN)
        halves_of(lines + 16 * (size_t)c, x + 2 * c, stride, RUN, inputs, sums);
    for (; c < columns; c += 4) halves_of(lines + 16 * (size_t)c, x + 2 * c, stride, 1, inputs, sums);
}

static void halves_1(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    halves(lines, x, stride, columns, 1, sums);
}
static void halves_2(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    halves(lines, x, stride, columns, 2, sums);
}
static void halves_3(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    halves(lines, x, stride, columns, 3, sums);
}

static const Tile tiles[] = {{3, halves_3}, {2, halves_2}, {1, halves_1}};
