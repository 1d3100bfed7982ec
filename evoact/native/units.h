/* Units of one pre-activation with parameters: what `pieces.c` needs of `units.c`. */
#ifndef EVOACT_UNITS_H
#define EVOACT_UNITS_H

#include <stdint.h>

/* y[n] of x[n], all with the parameters c, and gradients. */
void evoact_rational_values(const float *x, const float *c, float *y, int64_t n, int64_t top, int64_t bottom);
void evoact_rational_gradients(const float *g, const float *x, const float *c, float *gx, float *gc, int64_t n, int64_t top,
                               int64_t bottom);
void evoact_hinges_values(const float *x, const float *c, float *y, int64_t n, int64_t hinges);
void evoact_hinges_gradients(const float *g, const float *x, const float *c, float *gx, float *gc, int64_t n, int64_t hinges);

/* The sum of products, in any order. */
static inline float dot(int64_t n, const float *restrict a, const float *restrict b) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

#endif
