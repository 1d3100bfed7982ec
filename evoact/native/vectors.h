/* Vectors as wide as the processor's registers, for files that let products and sums be one fused operation: their pragmas
 * stand before this. */
#ifndef EVOACT_VECTORS_H
#define EVOACT_VECTORS_H

#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

#ifdef __AVX512F__
#define LANES 16
#elif defined __AVX__
#define LANES 8
#else
#define LANES 4
#endif

typedef float V __attribute__((vector_size(4 * LANES)));
typedef float U __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t Lane __attribute__((vector_size(4 * LANES)));

/* The first address from here on at which a vector can lie. */
INLINE float *aligned(const float *p) { return (float *)(((uintptr_t)p + sizeof(V) - 1) / sizeof(V) * sizeof(V)); }

INLINE V load(const float *p) { return *(const U *)p; }
INLINE void store(float *p, V v) { *(U *)p = v; }

/* The first n numbers, 0 behind them. */
INLINE V load_part(const float *p, int64_t n) {
#ifdef __AVX512F__
    return (V)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#endif
    V v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
}

/* Numbers whose bits are set, others 0. */
INLINE V load_some(const float *p, uint32_t bits) {
#ifdef __AVX512F__
    return (V)_mm512_maskz_loadu_ps((__mmask16)bits, p);
#endif
    V v = {0};
    for (int i = 0; i < LANES; i++)
        if (bits >> i & 1) v[i] = p[i];
    return v;
}

INLINE void store_part(float *p, V v, int64_t n) {
#ifdef __AVX512F__
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
    return;
#endif
    memcpy(p, &v, (size_t)n * sizeof(float));
}

/* sum + a * b, where in bf16 each number stands for two, which give the sum of two products, added in single precision. */
INLINE V add_product(V sum, V a, V b, int half) {
#ifdef __AVX512BF16__
    if (half) return (V)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#endif
    (void)half;
    return sum + a * b;
}

/* Numbers of `low` and `high` in bf16, of two equally near the even one, side by side; where there are no products of bf16
 * nobody asks. */
INLINE V pairs_of(V low, V high) {
#ifdef __AVX512BF16__
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
    const __m512i turns = _mm512_add_epi32(_mm512_set1_epi32(0x00100000), (__m512i)(Lane){0, 0x10001, 0x20002, 0x30003, 0x40004,
        0x50005, 0x60006, 0x70007, 0x80008, 0x90009, 0xa000a, 0xb000b, 0xc000c, 0xd000d, 0xe000e, 0xf000f});
    return (V)_mm512_permutexvar_epi16(turns, both);
#else
    (void)high;
    return low;
#endif
}

/* The first 2 * LANES numbers in bf16, or as many as there are, 0 behind them. */
INLINE V pairs_along(const float *p, int64_t n) {
    V low = n >= LANES ? load(p) : load_part(p, n);
    V high = n >= 2 * LANES ? load(p + LANES) : (n > LANES ? load_part(p + LANES, n - LANES) : (V){0});
#ifdef __AVX512BF16__
    return (V)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
#else
    (void)high;
    return low;
#endif
}

static inline float lanes_total(V v) {
#ifdef __AVX512F__
    return _mm512_reduce_add_ps((__m512)v);
#endif
    float sum = 0.0f;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}

#endif
