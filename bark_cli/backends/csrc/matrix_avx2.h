/* AVX2, matrices: weights as unsigned bytes, each 128 more than it is, times signed inputs; four lines to a sum of 16 bits.
 *
 * maddubs multiplies 32 unsigned by signed bytes and adds neighbours to 16 bits, where it stops at the largest number.
 * It never has to if no two neighbours among the inputs add up to more than 128: 255 * 128 = 32,640. Additions go round
 * instead: a sum of four lines, less 128 times its inputs, is right if what it should be fits 16 bits, however far
 * its parts go. By the inequality of Cauchy and Schwarz it does if its eight inputs and their eight weights are short
 * enough as vectors. Nearly all weights are (those of "calm" runs); inputs are made so: what is too large is taken
 * out of its line and kept beside the others, to be multiplied by itself. Of Gaussian noise that is one line in twenty,
 * of a row with a few large numbers hardly any.
 *
 * An input is runs of four lines, each followed by what its sums begin with; then the lines that fill no run; then how
 * many lines were taken out, the sum of their numbers, and of each its place in a block and its four numbers.
 */
#include <stdlib.h>

#define INPUT_BIAS 0
#define WEIGHT_BIAS 128
#define LONGEST 22000 /* the squared length of a sum's eight inputs, at most; */
#define CALM 48803    /* and of their weights: the roots' product is below 32,767 */

enum { RUN_BYTES = 20 }; /* in an input */

/* Where a column lies, which begins a run or follows all of them. */
static inline size_t input_place(int column) {
    return (size_t)(column / RUN_COLUMNS * RUN_BYTES + column % RUN_COLUMNS);
}
/* Two lines are taken out for each at most; an odd number of cache lines, so that inputs do not compete for the same. */
static inline size_t input_bytes(int columns) {
    return ((input_place(columns) + 8 + (size_t)columns / 4 * 16 + 63) / 64 | 1) * 64;
}

static inline uint8_t *take_out(uint8_t *taken, int line, const int8_t *numbers) {
    const int32_t place = 64 * line;
    memcpy(taken, &place, 4), memcpy(taken + 4, numbers, 4);
    return taken + 8;
}

/* Takes what is too large out of x (lines, 4), which are lines first .. first + lines of a block; returns the end of
 * `taken`. */
static inline uint8_t *soften(int8_t (*x)[4], int lines, int first, uint8_t *taken) {
    for (int k = 0; k < lines; k++) {
        int8_t half[4];
        if (abs(x[k][0] + x[k][1]) <= 128 && abs(x[k][2] + x[k][3]) <= 128) continue;
        for (int i = 0; i < 4; i++) half[i] = x[k][i] / 2, x[k][i] = (int8_t)(x[k][i] - half[i]);
        taken = take_out(taken, first + k, half);
    }
    for (;;) {
        int square[2] = {0}, most[2] = {0}, longest[2] = {0};
        for (int k = 0; k < lines; k++)
            for (int pair = 0; pair < 2; pair++) {
                int one = x[k][2 * pair], other = x[k][2 * pair + 1], more = one * one + other * other;
                square[pair] += more;
                if (more > most[pair]) most[pair] = more, longest[pair] = k;
            }
        if (square[0] <= LONGEST && square[1] <= LONGEST) return taken;
        int8_t *line = x[longest[square[1] > square[0]]];
        taken = take_out(taken, first + longest[square[1] > square[0]], line);
        memset(line, 0, 4);
    }
}

/* (4, 4) numbers or their sums by pairs -> in all lanes, what each pair's place has in common: the sum of its four */
INLINE __m128i over_lines(__m128i pairs) {
    pairs = _mm_adds_epu16(pairs, _mm_shuffle_epi32(pairs, 0x4e));
    return _mm_adds_epu16(pairs, _mm_shuffle_epi32(pairs, 0xb1));
}

/* (columns,) bytes -> as the tiles read them; from behind, in place */
static inline void arrange_input(uint8_t *row, int columns) {
    uint8_t *const count = row + input_place(columns), *taken = count + 8;
    int runs = columns / RUN_COLUMNS, left = columns % RUN_COLUMNS;
    const __m128i ones = _mm_set1_epi8(1), most = _mm_set1_epi16(128), longest = _mm_set1_epi16(LONGEST);
    memmove(row + RUN_BYTES * runs, row + RUN_COLUMNS * runs, (size_t)left);
    if (left) taken = soften((int8_t(*)[4])(row + RUN_BYTES * runs), left / 4, 4 * runs, taken);
    for (int run = runs - 1; run >= 0; run--) {
        __m128i *from = (__m128i *)(row + RUN_COLUMNS * run), x = _mm_loadu_si128(from), size = _mm_abs_epi8(x);
        __m128i pairs = _mm_maddubs_epi16(ones, x), squares = over_lines(_mm_maddubs_epi16(size, size));
        __m128i large = _mm_cmpgt_epi16(_mm_abs_epi16(pairs), most), excess = _mm_subs_epu16(squares, longest);
        if (!_mm_testz_si128(_mm_or_si128(large, excess), _mm_set1_epi8(-1))) {
            taken = soften((int8_t(*)[4])from, 4, 4 * run, taken);
            x = _mm_loadu_si128(from), pairs = _mm_maddubs_epi16(ones, x);
        }
        __m128i sums = _mm_add_epi16(pairs, _mm_shuffle_epi32(pairs, 0x4e));
        sums = _mm_add_epi16(sums, _mm_shuffle_epi32(sums, 0xb1));
        const int32_t begin = _mm_cvtsi128_si32(_mm_slli_epi16(_mm_sub_epi16(_mm_setzero_si128(), sums), 7));
        _mm_storeu_si128((__m128i *)(row + RUN_BYTES * run), x);
        memcpy(row + RUN_BYTES * run + RUN_COLUMNS, &begin, 4);
    }
    int32_t head[2] = {(int32_t)(taken - count) / 8 - 1, 0};
    while ((taken -= 8) > count)
        for (int i = 4; i < 8; i++) head[1] += (int8_t)taken[i];
    memcpy(count, head, sizeof head);
}

/* Whether the weights of a run of so many lines, which are signed still, are short enough. */
static inline int is_calm(const int8_t *run, int lines) {
    int32_t squares[2 * ROWS] = {0}, most = 0;
    for (int line = 0; line < lines; line++, run += 4 * ROWS)
#pragma omp simd
        for (int i = 0; i < 2 * ROWS; i++) squares[i] += run[2 * i] * run[2 * i] + run[2 * i + 1] * run[2 * i + 1];
#pragma omp simd reduction(max : most)
    for (int i = 0; i < 2 * ROWS; i++) most = squares[i] > most ? squares[i] : most;
    return most <= CALM;
}

/* How many of the next `columns` lie in runs that are calm if this one is, or not calm if it is not. */
static inline int columns_alike(uint8_t run, int columns) {
    int found = (run >> 1) * RUN_COLUMNS;
    return found < columns ? found : columns;
}

INLINE __m256i widened(__m256i sum, __m256i pairs) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* sum += a line times four numbers, whatever its weights are */
INLINE void add_line(__m256i *sum, const int8_t *line, const uint8_t *numbers) {
    __m256i x = _mm256_set1_epi32(four_bytes(numbers)), over = _mm256_maddubs_epi16(_mm256_set1_epi8(-128), x);
    for (int v = 0; v < 2; v++) {
        __m256i weights = _mm256_loadu_si256((const __m256i *)line + v);
        sum[v] = widened(sum[v], _mm256_sub_epi16(_mm256_maddubs_epi16(weights, x), over));
    }
}

/* sums of some inputs += some lines times each, whatever their weights are; x runs on from run to run */
INLINE void add_lines(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int inputs,
                      int32_t (*sums)[ROWS]) {
    __m256i sum[3][2];
#pragma GCC unroll 4
    for (int i = 0; i < inputs; i++)
        for (int v = 0; v < 2; v++) sum[i][v] = _mm256_loadu_si256((const __m256i *)sums[i] + v);
    for (int c = 0; c < columns; c += 4, lines += 64)
#pragma GCC unroll 4
        for (int i = 0; i < inputs; i++) add_line(sum[i], lines, x + i * stride + input_place(c));
#pragma GCC unroll 4
    for (int i = 0; i < inputs; i++)
        for (int v = 0; v < 2; v++) _mm256_storeu_si256((__m256i *)sums[i] + v, sum[i][v]);
}

/* The same of calm runs. */
INLINE void add_runs(const int8_t *lines, const uint8_t *x, size_t stride, int runs, int inputs,
                     int32_t (*sums)[ROWS]) {
    for (int run = 0; run < runs; run++, x += RUN_BYTES) {
        __m256i pairs[6][2];
#pragma GCC unroll 6
        for (int i = 0; i < inputs; i++)
            pairs[i][0] = pairs[i][1] = _mm256_set1_epi32(four_bytes(x + i * stride + RUN_COLUMNS));
#pragma GCC unroll 4
        for (int line = 0; line < 4; line++, lines += 64) {
            __builtin_prefetch(lines + AHEAD);
            __m256i rows[2] = {_mm256_loadu_si256((const __m256i *)lines), _mm256_loadu_si256((const __m256i *)lines + 1)};
#pragma GCC unroll 6
            for (int i = 0; i < inputs; i++) {
                __m256i numbers = _mm256_set1_epi32(four_bytes(x + i * stride + 4 * line));
                for (int v = 0; v < 2; v++) {
                    pairs[i][v] = _mm256_add_epi16(pairs[i][v], _mm256_maddubs_epi16(rows[v], numbers));
                    __asm__ volatile("" : "+x"(pairs[i][v])); /* or GCC moves it to memory */
                }
            }
        }
#pragma GCC unroll 6
        for (int i = 0; i < inputs; i++)
            for (int v = 0; v < 2; v++) {
                __m256i *to = (__m256i *)sums[i] + v;
                _mm256_storeu_si256(to, widened(_mm256_loadu_si256(to), pairs[i][v]));
            }
    }
}

INLINE void multiply_calm(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int inputs,
                          int32_t (*sums)[ROWS]) {
    int runs = columns / RUN_COLUMNS, left = columns % RUN_COLUMNS;
    add_runs(lines, x, stride, runs, inputs, sums);
    lines += 256 * (size_t)runs, x += RUN_BYTES * runs;
    for (int i = 0; i < inputs && left; i++) add_lines(lines, x + i * stride, stride, left, 1, sums + i);
}

/* sums (n, ROWS) += a whole block times what was taken out of the inputs */
static inline void multiply_taken(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int n,
                                  int32_t (*sums)[ROWS]) {
    x += input_place(columns);
    for (int i = 0; i < n; i++, x += stride) {
        const uint8_t *taken = x + 8, *end = taken + 8 * four_bytes(x);
        if (taken == end) continue;
        __m256i *to = (__m256i *)sums[i], over = _mm256_set1_epi32(WEIGHT_BIAS * four_bytes(x + 4)), sum[2];
        for (int v = 0; v < 2; v++) sum[v] = _mm256_sub_epi32(_mm256_loadu_si256(to + v), over);
        for (; taken < end; taken += 8) {
            const __m256i *line = (const __m256i *)(lines + four_bytes(taken));
            __m256i numbers = _mm256_set1_epi32(four_bytes(taken + 4));
            for (int v = 0; v < 2; v++)
                sum[v] = widened(sum[v], _mm256_maddubs_epi16(_mm256_loadu_si256(line + v), numbers));
        }
        for (int v = 0; v < 2; v++) _mm256_storeu_si256(to + v, sum[v]);
    }
}

static void any_1(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    add_lines(lines, x, stride, columns, 1, sums);
}
static void any_3(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    add_lines(lines, x, stride, columns, 3, sums);
}
static void calm_1(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    multiply_calm(lines, x, stride, columns, 1, sums);
}
static void calm_2(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    multiply_calm(lines, x, stride, columns, 2, sums);
}
static void calm_4(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    multiply_calm(lines, x, stride, columns, 4, sums);
}
static void calm_6(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    multiply_calm(lines, x, stride, columns, 6, sums);
}

static const Tile block_tiles[] = {{3, any_3}, {1, any_1}};
static const Tile calm_tiles[] = {{6, calm_6}, {4, calm_4}, {2, calm_2}, {1, calm_1}};
