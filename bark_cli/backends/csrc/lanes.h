/* Floats, as many at once as this processor adds: vectors of GCC and Clang, and the functions over them. */
#ifndef BARK_LANES_H
#define BARK_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "network.h"

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
typedef Floats LooseFloats __attribute__((aligned(4), may_alias)); /* anywhere in memory */
typedef Halves LooseHalves __attribute__((aligned(2), may_alias));
typedef Ints LooseInts __attribute__((aligned(4), may_alias));

static inline Floats load(const float *from) { return *(const LooseFloats *)from; }
static inline void store(float *to, Floats values) { *(LooseFloats *)to = values; }
static inline Floats all(float value) { return value - (Floats){0}; }

static inline Floats load_bf16(const uint16_t *from) { /* GCC would make five instructions of the conversion */
#if defined(__AVX512F__)
    return (Floats)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), 16);
#elif defined(__AVX2__)
    return (Floats)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from)), 16);
#else
    return (Floats)(__builtin_convertvector(*(const LooseHalves *)from, Words) << 16);
#endif
}

static inline Ints load_ints(const int32_t *from) { return *(const LooseInts *)from; }
static inline Floats as_floats(Ints values) { return __builtin_convertvector(values, Floats); }

/* the larger of each two; where one is NaN, the second */
static inline Floats larger(Floats a, Floats b) {
#if defined(__AVX512F__)
    return (Floats)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (Floats)_mm256_max_ps((__m256)a, (__m256)b);
#else
    Ints first = a > b;
    return (Floats)((first & (Ints)a) | (~first & (Ints)b));
#endif
}

static inline float largest(Floats values) {
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)values);
#elif defined(__AVX2__)
    __m128 half = _mm_max_ps(_mm256_castps256_ps128((__m256)values), _mm256_extractf128_ps((__m256)values, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
#else
    float one = values[0] > values[1] ? values[0] : values[1], other = values[2] > values[3] ? values[2] : values[3];
    return one > other ? one : other;
#endif
}

static inline float total(Floats values) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)values);
#elif defined(__AVX2__)
    __m128 half = _mm_add_ps(_mm256_castps256_ps128((__m256)values), _mm256_extractf128_ps((__m256)values, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
#else
    return (values[0] + values[1]) + (values[2] + values[3]);
#endif
}

static inline float from_bf16(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* 2^x for -120 <= x <= 0, within 3e-6 of it; of less, 2^-120 */
static inline Floats powers_of_two(Floats x) {
    x = larger(all(-120.0f), x);
    Floats shifted = x + 12582912.0f; /* whole numbers end at the last bit */
    Floats f = x - (shifted - 12582912.0f);
    Floats p = f * 0.0095701017f + 0.055917862f;
    p = p * f + 0.24024745f;
    p = p * f + 0.69312182f;
    p = p * f + 0.99999926f;
    return p * (Floats)(((Ints)shifted << 23) + 0x3f800000); /* the product of a NaN is one */
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

#endif
