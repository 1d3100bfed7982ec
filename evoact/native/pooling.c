/* Max pooling of images [images, height, width, examples] without padding, and where in its window each maximum lies.
 *
 * As in PyTorch the first of equal values counts, and NaN wins. */
#include "vector_math.h"

#include <string.h>

/* The bits of a number as an integer of the same order, which saves branches; both zeros are equal, NaN is largest. */
INLINE int32_t ordered(float value) {
    int32_t bits;
    value += 0.0f;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? INT32_MAX : bits ^ ((bits >> 31) & 0x7fffffff);
}

/* One window of all examples; `line` is a row of the image. */
INLINE void pool_window(const float *restrict x, float *restrict y, uint8_t *restrict where, int64_t line, int64_t n,
                        int size) {
    for (int64_t b = 0; b < n; b++) {
        float value = x[b];
        int32_t best = ordered(value), at = 0;
#pragma GCC unroll 16
        for (int c = 1; c < size * size; c++) {
            float other = x[c / size * line + c % size * n + b];
            int32_t order = ordered(other), wins = order > best;
            best = wins ? order : best;
            value = wins ? other : value;
            at = wins ? c : at;
        }
        y[b] = value;
        where[b] = (uint8_t)at;
    }
}

/* The usual windows are compiled with their constants, so that the loops over a window are unrolled. */
#define FOR_WINDOW(size, CALL)                                                                                         \
    if ((size) == 2) CALL(2);                                                                                          \
    else if ((size) == 3) CALL(3);                                                                                     \
    else CALL(size)

void evoact_max_pool(const float *restrict x, float *restrict y, uint8_t *restrict where, int64_t images,
                     int64_t height, int64_t width, int64_t examples, int64_t out_height, int64_t out_width, int size,
                     int stride, int threads) {
    int64_t line = width * examples;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < images * out_height; r++)
        for (int64_t j = 0; j < out_width; j++) {
            const float *from = x + (r / out_height * height + r % out_height * stride) * line + j * stride * examples;
            int64_t to = (r * out_width + j) * examples;
#define POOL(size) pool_window(from, y + to, where + to, line, examples, size)
            FOR_WINDOW(size, POOL);
        }
}

INLINE void spread_window(const float *restrict g, const uint8_t *restrict where, float *restrict grad, int64_t line,
                          int64_t n, int size) {
    for (int c = 0; c < size * size; c++) {
        float *restrict to = grad + c / size * line + c % size * n;
        for (int64_t b = 0; b < n; b++) to[b] += where[b] == c ? g[b] : 0.0f;
    }
}

/* The gradient for x, added to `grad`: that of each window goes to its maximum. */
void evoact_max_pool_backward(const float *restrict g, const uint8_t *restrict where, float *restrict grad,
                              int64_t images, int64_t height, int64_t width, int64_t examples, int64_t out_height,
                              int64_t out_width, int size, int stride, int threads) {
    int64_t line = width * examples;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < images; r++)
        for (int64_t i = 0; i < out_height; i++)
            for (int64_t j = 0; j < out_width; j++) {
                int64_t from = ((r * out_height + i) * out_width + j) * examples;
                float *to = grad + (r * height + i * stride) * line + j * stride * examples;
#define SPREAD(size) spread_window(g + from, where + from, to, line, examples, size)
                FOR_WINDOW(size, SPREAD);
            }
}
