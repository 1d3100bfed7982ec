/* Piecewise polynomials of degree 3 at many points: value and slope in one pass. */
#include <math.h>
#include <stdint.h>

#include "shares.h"
#include "vector_math.h"

#define PIECE 256

/* The interval of each of n <= PIECE points: how many of the borders lie at or below it. There are 2^k - 1 of them,
 * increasing, padded with infinity; all points take the same k steps, so that they fill vector registers. NaN gives 0. */
static void find(const float *restrict x, int32_t *restrict at, const float *restrict borders, int64_t padded,
                 int32_t last, int64_t n) {
    for (int64_t e = 0; e < n; e++) at[e] = 0;
    for (int32_t step = (int32_t)(padded + 1) / 2; step; step /= 2)
        for (int64_t e = 0; e < n; e++) at[e] += x[e] >= borders[at[e] + step - 1] ? step : 0;
    for (int64_t e = 0; e < n; e++) at[e] = at[e] < last ? at[e] : last; /* infinity is no border */
}

/* y and slope at x[n]. rows [5][intervals]: each interval's origin and coefficients c0 .. c3. */
void evoact_piecewise(const float *restrict x, float *restrict y, float *restrict slope, const float *restrict borders,
                      const float *restrict rows, int64_t n, int64_t padded, int64_t intervals, int threads) {
    const float *origin = rows, *c0 = rows + intervals, *c1 = c0 + intervals, *c2 = c1 + intervals, *c3 = c2 + intervals;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t start = 0; start < n; start += PIECE) {
        int64_t size = least(n - start, PIECE);
        int32_t at[PIECE];
        find(x + start, at, borders, padded, (int32_t)intervals - 1, size);
        for (int64_t e = 0; e < size; e++) {
            int32_t i = at[e];
            float d = x[start + e] - origin[i];
            y[start + e] = FMA(d, FMA(d, FMA(d, c3[i], c2[i]), c1[i]), c0[i]);
            slope[start + e] = FMA(d, FMA(d, 3 * c3[i], 2 * c2[i]), c1[i]);
        }
    }
}
