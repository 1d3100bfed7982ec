/* Max pooling of images [images, height, width, examples] without padding, and where in its window each maximum lies.
 *
 * As in PyTorch the first of equal values counts, and NaN wins. The values may be functions of the numbers, each image a
 * row of a program (`activations.h`): the numbers are found whose functions are largest, and functions are
 * written down nowhere. */
#include "activations.h"

#include <stdlib.h>

#include "shares.h"
#include "vectors.h"

typedef uint8_t Bytes __attribute__((vector_size(LANES)));

/* The bits of numbers as integers of the same order, which saves branches; both zeros are equal, NaN is largest. */
INLINE Lane ordered(V value) {
    value += 0.0f;
    Lane bits = (Lane)value, nan = value != value;
    return ((bits ^ ((bits >> 31) & INT32_MAX)) & ~nan) | (nan & INT32_MAX);
}

/* One window of some examples: v the values of x, `line` a row of the image. */
INLINE void pool_some(const float *v, const float *x, float *y, uint8_t *where, int64_t line, int64_t examples, int n,
                      int size) {
    V number = n == LANES ? load(x) : load_part(x, n);
    Lane best = ordered(n == LANES ? load(v) : load_part(v, n)), at = {0};
#pragma GCC unroll 16
    for (int c = 1; c < size * size; c++) {
        int64_t place = c / size * line + c % size * examples;
        Lane order = ordered(n == LANES ? load(v + place) : load_part(v + place, n)), wins = order > best;
        V other = n == LANES ? load(x + place) : load_part(x + place, n);
        best = (order & wins) | (best & ~wins);
        number = (V)(((Lane)other & wins) | ((Lane)number & ~wins));
        at = (c & wins) | (at & ~wins);
    }
    Bytes bytes = __builtin_convertvector(at, Bytes);
    memcpy(y, &number, (size_t)n * sizeof(float));
    memcpy(where, &bytes, (size_t)n);
}

/* The last examples are done twice rather than in another way. */
INLINE void pool_window(const float *v, const float *x, float *y, uint8_t *where, int64_t line, int64_t examples, int size) {
    if (examples < LANES) {
        pool_some(v, x, y, where, line, examples, (int)examples, size);
        return;
    }
    for (int64_t b = 0; b < examples; b += LANES) {
        int64_t at = b + LANES <= examples ? b : examples - LANES;
        pool_some(v + at, x + at, y + at, where + at, line, examples, LANES, size);
    }
}

/* The usual windows are compiled with their constants, so that the loops over a window are unrolled. */
#define FOR_WINDOW(size, CALL)                                                                                         \
    if ((size) == 2) CALL(2);                                                                                          \
    else if ((size) == 3) CALL(3);                                                                                     \
    else CALL(size)

/* The number y of x in each window, whose function is largest; its own value, if there is no program (`begin` NULL). */
int evoact_max_pool(const float *x, float *y, uint8_t *where, const int32_t *begin, const Term *terms, int64_t images,
                    int64_t height, int64_t width, int64_t examples, int64_t out_height, int64_t out_width, int size, int stride,
                    int threads) {
    int64_t line = width * examples, all = images * out_height, lines = begin ? size * line : 0;
    float *rooms = malloc((size_t)(threads * lines) * sizeof(float));
    if (lines && !rooms) return NO_ROOM;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        float *room = rooms + t * lines;
        for (int64_t r = share(all, t, threads); r < share(all, t + 1, threads); r++) {
            int64_t image = r / out_height;
            const float *from = x + (image * height + r % out_height * stride) * line, *values = from;
            if (begin && !evoact_row_keeps_order(image, begin, terms)) {
                evoact_rows_values(image, image + 1, from, room, NULL, begin, terms, 1, lines);
                values = room;
            }
            for (int64_t j = 0; j < out_width; j++) {
                int64_t at = j * stride * examples, to = (r * out_width + j) * examples;
#define POOL(size) pool_window(values + at, from + at, y + to, where + to, line, examples, size)
                FOR_WINDOW(size, POOL);
            }
        }
    }
    free(rooms);
    return 0;
}

INLINE void spread_some(const float *g, const uint8_t *where, float *grad, int64_t line, int64_t examples, int n, int size,
                        int add) {
    V from = n == LANES ? load(g) : load_part(g, n);
    Bytes bytes = {0};
    memcpy(&bytes, where, (size_t)n);
    Lane at = __builtin_convertvector(bytes, Lane);
#pragma GCC unroll 16
    for (int c = 0; c < size * size; c++) {
        float *to = grad + c / size * line + c % size * examples;
        V here = (V)((Lane)from & (at == c));
        if (add) here += n == LANES ? load(to) : load_part(to, n);
        memcpy(to, &here, (size_t)n * sizeof(float));
    }
}

INLINE void spread_window(const float *g, const uint8_t *where, float *grad, int64_t line, int64_t examples, int size,
                          int add) {
    int64_t b = 0;
    for (; b + LANES <= examples; b += LANES) spread_some(g + b, where + b, grad + b, line, examples, LANES, size, add);
    if (b == examples) return;
    if (add || examples < LANES)
        spread_some(g + b, where + b, grad + b, line, examples, (int)(examples - b), size, add);
    else /* twice the same */
        spread_some(g + examples - LANES, where + examples - LANES, grad + examples - LANES, line, examples, LANES, size, 0);
}

/* The gradient for x: that of each window goes to its maximum. Windows that do not overlap are written, others added. */
void evoact_max_pool_backward(const float *restrict g, const uint8_t *restrict where, float *restrict grad,
                              int64_t images, int64_t height, int64_t width, int64_t examples, int64_t out_height,
                              int64_t out_width, int size, int stride, int threads) {
    int64_t line = width * examples, rows = out_height * size, rest = (width - out_width * size) * examples;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < images; r++) {
        float *image = grad + r * height * line;
        if (stride != size)
            memset(image, 0, (size_t)(height * line) * sizeof(float));
        else if (rows < height)
            memset(image + rows * line, 0, (size_t)((height - rows) * line) * sizeof(float));
        for (int64_t i = 0; i < out_height; i++) {
            for (int64_t j = 0; j < out_width; j++) {
                int64_t from = ((r * out_height + i) * out_width + j) * examples;
                float *to = image + i * stride * line + j * stride * examples;
#define WRITE(size) spread_window(g + from, where + from, to, line, examples, size, 0)
#define ADD(size) spread_window(g + from, where + from, to, line, examples, size, 1)
                if (stride == size) {
                    FOR_WINDOW(size, WRITE);
                } else {
                    FOR_WINDOW(size, ADD);
                }
            }
            for (int k = 0; rest && stride == size && k < size; k++)
                memset(image + (i * size + k + 1) * line - rest, 0, (size_t)rest * sizeof(float));
        }
    }
}
