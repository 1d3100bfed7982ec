/* Batch norm of rows: each less its mean, over its standard deviation, times a scale, plus a shift (Ioffe & Szegedy 2015,
 * algorithm 1), and its gradients. A row is read again while it is in the cache; its result depends on that row alone. */
/* Products are added by one fused operation where the processor can, alike in every variant of a loop. */
#ifdef __clang__
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif

#include <math.h>

#include "vectors.h"

/* Four sums at a time, because an addition has to wait for the one before. */
#define CHAINS 4

/* The mean of n numbers, in pieces that single precision adds up well. */
static float mean_of(const float *x, int64_t n) {
    V sums[CHAINS] = {0};
    int64_t i = 0;
    for (; i + CHAINS * LANES <= n; i += CHAINS * LANES)
        for (int c = 0; c < CHAINS; c++) sums[c] += load(x + i + c * LANES);
    for (; i < n; i += LANES) sums[0] += n - i < LANES ? load_part(x + i, n - i) : load(x + i);
    return lanes_total((sums[0] + sums[1]) + (sums[2] + sums[3])) / (float)n;
}

/* The mean of (x - mean)^2. */
static float variance_of(const float *x, int64_t n, float mean) {
    V sums[CHAINS] = {0};
    int64_t i = 0;
    for (; i + CHAINS * LANES <= n; i += CHAINS * LANES)
        for (int c = 0; c < CHAINS; c++) {
            V away = load(x + i + c * LANES) - mean;
            sums[c] += away * away;
        }
    float rest = 0.0f;
    for (; i < n; i++) rest += (x[i] - mean) * (x[i] - mean);
    return (lanes_total((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest) / (float)n;
}

/* y of x[rows, n], and each row's mean and 1 / sqrt(variance + epsilon) in `found`[rows, 2]. */
void evoact_batch_norm(const float *x, const float *scale, const float *shift, float *y, float *found, int64_t rows, int64_t n,
                       float epsilon, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * n;
        float *to = y + r * n, mean = mean_of(from, n), over = 1.0f / sqrtf(variance_of(from, n, mean) + epsilon);
        float factor = scale[r] * over, offset = shift[r];
        found[2 * r] = mean, found[2 * r + 1] = over;
        for (int64_t i = 0; i < n; i++) to[i] = (from[i] - mean) * factor + offset;
    }
}

/* gx, gscale and gshift of g, that for y. */
void evoact_batch_norm_backward(const float *g, const float *x, const float *scale, const float *found, float *gx,
                                float *gscale, float *gshift, int64_t rows, int64_t n, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        const float *gs = g + r * n, *from = x + r * n;
        float *to = gx + r * n, mean = found[2 * r], over = found[2 * r + 1], rest = 0.0f, rest_away = 0.0f;
        V sum[CHAINS] = {0}, away[CHAINS] = {0};
        int64_t i = 0;
        for (; i + CHAINS * LANES <= n; i += CHAINS * LANES)
            for (int c = 0; c < CHAINS; c++) {
                V one = load(gs + i + c * LANES);
                sum[c] += one;
                away[c] += one * (load(from + i + c * LANES) - mean);
            }
        for (; i < n; i++) rest += gs[i], rest_away += gs[i] * (from[i] - mean);
        float total = lanes_total((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
        float product = (lanes_total((away[0] + away[1]) + (away[2] + away[3])) + rest_away) * over;
        float factor = scale[r] * over, least = total / (float)n, slope = product / (float)n * over;
        gscale[r] = product, gshift[r] = total;
        for (int64_t j = 0; j < n; j++) to[j] = factor * (gs[j] - least - (from[j] - mean) * slope);
    }
}
