/* Batch norm of rows: each less its mean, over its standard deviation, times a scale, plus a shift (Ioffe & Szegedy 2015,
 * algorithm 1), and its gradients; alone, or with what a residual block adds and the activation behind it, which then
 * meet a row while it is in the cache. A row's result depends on that row alone, and is the same either way. */
/* Products are added by one fused operation where the processor can, alike in every variant of a loop. */
#ifdef __clang__
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif

#include <math.h>

#include "activations.h"
#include "vectors.h"

/* Not to be mingled with what comes before or behind, which might round in another way. */
#define APART static __attribute__((noinline))

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

/* A row's mean and 1 / sqrt(variance + epsilon). */
APART void find(const float *x, int64_t n, float epsilon, float *found) {
    float mean = mean_of(x, n);
    found[0] = mean, found[1] = 1.0f / sqrtf(variance_of(x, n, mean) + epsilon);
}

APART void norm(const float *x, int64_t n, const float *found, float scale, float shift, float *y) {
    float mean = found[0], factor = scale * found[1];
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor + shift;
}

APART void add(const float *x, int64_t n, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

/* The gradients of one row, of g, that for its result. */
APART void norm_backward(const float *g, const float *x, int64_t n, const float *found, float scale, float *gx, float *gscale,
                         float *gshift) {
    float mean = found[0], over = found[1], rest = 0.0f, rest_away = 0.0f;
    V sum[CHAINS] = {0}, away[CHAINS] = {0};
    int64_t i = 0;
    for (; i + CHAINS * LANES <= n; i += CHAINS * LANES)
        for (int c = 0; c < CHAINS; c++) {
            V one = load(g + i + c * LANES);
            sum[c] += one;
            away[c] += one * (load(x + i + c * LANES) - mean);
        }
    for (; i < n; i++) rest += g[i], rest_away += g[i] * (x[i] - mean);
    float total = lanes_total((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
    float product = (lanes_total((away[0] + away[1]) + (away[2] + away[3])) + rest_away) * over;
    float factor = scale * over, least = total / (float)n, slope = product / (float)n * over;
    *gscale = product, *gshift = total;
    for (int64_t j = 0; j < n; j++) gx[j] = factor * (g[j] - least - (x[j] - mean) * slope);
}

/* y of x[rows, n], and each row's mean and 1 / sqrt(variance + epsilon) in `found`[rows, 2]. */
void evoact_batch_norm(const float *x, const float *scale, const float *shift, float *y, float *found, int64_t rows, int64_t n,
                       float epsilon, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        find(x + r * n, n, epsilon, found + 2 * r);
        norm(x + r * n, n, found + 2 * r, scale[r], shift[r], y + r * n);
    }
}

/* gx, gscale and gshift of g, that for y. */
void evoact_batch_norm_backward(const float *g, const float *x, const float *scale, const float *found, float *gx,
                                float *gscale, float *gshift, int64_t rows, int64_t n, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++)
        norm_backward(g + r * n, x + r * n, n, found + 2 * r, scale[r], gx + r * n, gscale + r, gshift + r);
}

/* Row r normalised, plus that of `added` if there is such: what its function is of. */
static void summed(int64_t r, const float *x, const float *scale, const float *shift, const float *added, const float *found,
                   float *z, int64_t n) {
    norm(x + r * n, n, found + 2 * r, scale[r], shift[r], z);
    if (added) add(added + r * n, n, z);
}

/* y: the functions, rows of a program without coefficients, of the normalised rows plus `added`, which may be NULL. `room`:
 * [threads, n]. */
void evoact_normed(const float *x, const float *scale, const float *shift, const float *added, float *y, float *found,
                   const int32_t *begin, const Term *terms, float *room, int64_t rows, int64_t n, float epsilon, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++)
        for (int64_t r = rows * t / threads; r < rows * (t + 1) / threads; r++) {
            find(x + r * n, n, epsilon, found + 2 * r);
            summed(r, x, scale, shift, added, found, room + t * n, n);
            evoact_rows_values(r, r + 1, room + t * n, y + r * n, NULL, begin, terms, 1, n);
        }
}

/* gx, gscale, gshift and, if there is `added`, gadded of g, that for y. `from_values`: y tells the functions' slopes. `room`:
 * [threads, 2, n]. */
void evoact_normed_backward(const float *g, const float *x, const float *scale, const float *shift, const float *added,
                            const float *y, const float *found, float *gx, float *gscale, float *gshift, float *gadded,
                            const int32_t *begin, const Term *terms, float *room, int64_t rows, int64_t n, int from_values,
                            int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++)
        for (int64_t r = rows * t / threads; r < rows * (t + 1) / threads; r++) {
            float *z = room + 2 * t * n, *gz = gadded ? gadded + r * n : z + n;
            const float *yr = y + r * n;
            if (!from_values) summed(r, x, scale, shift, added, found, z, n);
            evoact_rows_gradients(r, r + 1, g + r * n, from_values ? yr : z, yr, gz, NULL, NULL, begin, terms, 1, n);
            norm_backward(gz, x + r * n, n, found + 2 * r, scale[r], gx + r * n, gscale + r, gshift + r);
        }
}
