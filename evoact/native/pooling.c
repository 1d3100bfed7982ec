/* Max pooling of images [images, height, width] without padding, and where in its window each maximum lies.
 *
 * As in PyTorch the first of equal values counts, and NaN wins. */
#include "vector_math.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* The bits of a number as an integer of the same order, which saves branches; both zeros are equal, NaN is largest. */
INLINE int32_t ordered(float value) {
    int32_t bits;
    value += 0.0f;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? INT32_MAX : bits ^ ((bits >> 31) & 0x7fffffff);
}

INLINE void pool_image(const float *restrict x, float *restrict y, uint8_t *restrict where, int64_t width,
                       int64_t out_height, int64_t out_width, int size, int stride) {
    for (int64_t i = 0; i < out_height; i++) {
        const float *top = x + i * stride * width;
        for (int64_t j = 0; j < out_width; j++) {
            int32_t best = ordered(top[j * stride]), at = 0;
#pragma GCC unroll 16
            for (int c = 1; c < size * size; c++) {
                int32_t value = ordered(top[c / size * width + j * stride + c % size]);
                int32_t wins = -(value > best);
                best = (value & wins) | (best & ~wins);
                at = (c & wins) | (at & ~wins);
            }
            y[i * out_width + j] = top[at / size * width + j * stride + at % size];
            where[i * out_width + j] = (uint8_t)at;
        }
    }
}

/* The usual windows are compiled with their constants, so that the loops over a window are unrolled. */
#define FOR_WINDOW(size, stride, CALL)                                                                                 \
    if ((size) == 2 && (stride) == 2) CALL(2, 2);                                                                      \
    else if ((size) == 3 && (stride) == 2) CALL(3, 2);                                                                 \
    else CALL(size, stride)

void evoact_max_pool(const float *restrict x, float *restrict y, uint8_t *restrict where, int64_t images,
                     int64_t height, int64_t width, int64_t out_height, int64_t out_width, int size, int stride,
                     int threads) {
    int64_t in = height * width, out = out_height * out_width;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < images; r++) {
#define POOL(size, stride) pool_image(x + r * in, y + r * out, where + r * out, width, out_height, out_width, size, stride)
        FOR_WINDOW(size, stride, POOL);
    }
}

INLINE void spread_image(const float *restrict g, const uint8_t *restrict where, float *restrict grad, int64_t width,
                         int64_t out_height, int64_t out_width, int size, int stride) {
    for (int64_t i = 0; i < out_height; i++)
        for (int64_t j = 0; j < out_width; j++) {
            int at = where[i * out_width + j];
            grad[(i * stride + at / size) * width + j * stride + at % size] += g[i * out_width + j];
        }
}

/* The gradient for x, added to `grad`: that of each window goes to its maximum. */
void evoact_max_pool_backward(const float *restrict g, const uint8_t *restrict where, float *restrict grad,
                              int64_t images, int64_t height, int64_t width, int64_t out_height, int64_t out_width,
                              int size, int stride, int threads) {
    int64_t in = height * width, out = out_height * out_width;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < images; r++) {
#define SPREAD(size, stride) \
    spread_image(g + r * out, where + r * out, grad + r * in, width, out_height, out_width, size, stride)
        FOR_WINDOW(size, stride, SPREAD);
    }
}
