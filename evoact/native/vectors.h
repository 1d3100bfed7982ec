/* Vectors as wide as the processor's registers, for files that let products and sums be one fused operation: their pragmas
 * stand before this. */
#ifndef EVOACT_VECTORS_H
#define EVOACT_VECTORS_H

#include <stdint.h>
#include <string.h>

#ifdef __AVX512BF16__
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

INLINE V load(const float *p) { return *(const U *)p; }
INLINE void store(float *p, V v) { *(U *)p = v; }

/* The first n numbers, 0 behind them. */
INLINE V load_part(const float *p, int64_t n) {
    V v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
}

/* sum + a * b, where in bf16 each number stands for two, which give the sum of two products, added in single precision. */
INLINE V add_product(V sum, V a, V b, int half) {
#ifdef __AVX512BF16__
    if (half) return (V)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#endif
    (void)half;
    return sum + a * b;
}

static inline float lanes_total(V v) {
    float sum = 0.0f;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}

#endif
