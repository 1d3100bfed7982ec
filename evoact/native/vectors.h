/* Vectors as wide as the processor's registers. */
#ifndef EVOACT_VECTORS_H
#define EVOACT_VECTORS_H

#include <stdint.h>
#include <string.h>

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

static inline __attribute__((always_inline)) V load(const float *p) { return *(const U *)p; }
static inline __attribute__((always_inline)) void store(float *p, V v) { *(U *)p = v; }

/* The first n numbers, 0 behind them. */
static inline __attribute__((always_inline)) V load_part(const float *p, int64_t n) {
    V v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
}

static inline float lanes_total(V v) {
    float sum = 0.0f;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}

#endif
