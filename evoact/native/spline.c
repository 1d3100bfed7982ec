/* Uniform cubic B-splines, one per set of elements, and their gradients.
 *
 * A spline over n nodes low, low + h, ... has n + 2 coefficients; between nodes i and i + 1, at the fraction t,
 * it is sum_j B_j(t) c[i + j], j = 0 .. 3. Outside the nodes it goes on straight with the slope at the end.
 */
#include <string.h>

#include "vector_math.h"

#define PIECE 256
#define COPIES 4

/* Four neighbouring coefficients as one vector, anywhere in memory (GCC and Clang). */
typedef float Four __attribute__((vector_size(16), aligned(4)));

/* The four basis functions at t, and their derivatives (de Boor 1978, chapter X, for equal steps). */
#define BASIS(t)                                                                                            \
    float u_##t = 1.0f - t, t2 = t * t, u2 = u_##t * u_##t;                                                 \
    float b0 = u2 * u_##t * (1.0f / 6.0f), b3 = t2 * t * (1.0f / 6.0f);                                     \
    float b1 = FMA(t2, FMA(0.5f, t, -1.0f), 2.0f / 3.0f), b2 = FMA(u2, FMA(0.5f, u_##t, -1.0f), 2.0f / 3.0f); \
    float d0 = -0.5f * u2, d3 = 0.5f * t2, d1 = FMA(1.5f * t, t, -2.0f * t), d2 = -(d0 + d1 + d3);

/* Node below x, fraction of the step, and how many steps x lies outside. */
static void locate(int n, const float *restrict x, int64_t nodes, float low, float per_step, int32_t *restrict node,
                   float *restrict fraction, float *restrict outside) {
    float last = (float)(nodes - 1);
    for (int i = 0; i < n; i++) {
        float s = (x[i] - low) * per_step;
        float inside = s < 0.0f ? 0.0f : (s > last ? last : s);
        inside = inside == inside ? inside : 0.0f; /* NaN: any node, the fraction carries it on */
        int32_t k = (int32_t)inside;
        k = k > (int32_t)nodes - 2 ? (int32_t)nodes - 2 : k;
        node[i] = k;
        fraction[i] = inside - (float)k;
        outside[i] = s - inside;
    }
}

static void value(int n, const float *x, float *restrict y, const float *restrict c, int64_t nodes, float low,
                  float per_step) {
    int32_t node[PIECE];
    float fraction[PIECE], outside[PIECE];
    locate(n, x, nodes, low, per_step, node, fraction, outside);
    for (int i = 0; i < n; i++) {
        float t = fraction[i];
        int32_t j = node[i];
        float k0 = c[j], k1 = c[j + 1], k2 = c[j + 2], k3 = c[j + 3];
        BASIS(t)
        float v = FMA(b0, k0, FMA(b1, k1, FMA(b2, k2, b3 * k3)));
        float slope = FMA(d0, k0, FMA(d1, k1, FMA(d2, k2, d3 * k3)));
        y[i] = FMA(outside[i], slope, v);
    }
}

/* `sums` holds [COPIES, nodes, 4]: for each node the gradients of the four coefficients that begin there, so that
 * additions never overlap in part; neighbouring elements have copies of their own, so that they need not wait. */
static void gradient(int n, const float *restrict g, const float *restrict x, float *restrict gx,
                     const float *restrict c, float *restrict sums, int64_t nodes, float low, float per_step) {
    int32_t node[PIECE];
    float fraction[PIECE], outside[PIECE], w[PIECE][4];
    locate(n, x, nodes, low, per_step, node, fraction, outside);
    for (int i = 0; i < n; i++) {
        float t = fraction[i], o = outside[i];
        int32_t j = node[i];
        float k0 = c[j], k1 = c[j + 1], k2 = c[j + 2], k3 = c[j + 3];
        BASIS(t)
        gx[i] = g[i] * per_step * FMA(d0, k0, FMA(d1, k1, FMA(d2, k2, d3 * k3)));
        w[i][0] = g[i] * FMA(o, d0, b0), w[i][1] = g[i] * FMA(o, d1, b1);
        w[i][2] = g[i] * FMA(o, d2, b2), w[i][3] = g[i] * FMA(o, d3, b3);
    }
    for (int i = 0; i < n; i++) {
        Four *sum = (Four *)sums + (i % COPIES) * nodes + node[i];
        *sum += *(const Four *)w[i];
    }
}

/* x, y: [sets, n]; c: [sets, nodes + 2]. */
void evoact_spline_forward(const float *x, float *y, const float *c, int64_t sets, int64_t n, int64_t nodes, float low,
                           float per_step, int threads) {
    int64_t pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * pieces; q++) {
        int64_t set = q / pieces, i = q % pieces * PIECE;
        value((int)(n - i < PIECE ? n - i : PIECE), x + set * n + i, y + set * n + i, c + set * (nodes + 2), nodes, low,
              per_step);
    }
}

/* gx: [sets, n], written whole; sums: [sets, blocks, COPIES, nodes, 4], which must be 0 on entry: the elements of a set
 * are shared out into blocks, each with sums of its own, which then do not depend on the number of threads. */
void evoact_spline_backward(const float *g, const float *x, float *gx, const float *c, float *sums, int64_t sets,
                            int64_t blocks, int64_t n, int64_t nodes, float low, float per_step, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * blocks; q++) {
        int64_t set = q / blocks, start = n * (q % blocks) / blocks, stop = n * (q % blocks + 1) / blocks;
        for (int64_t i = start; i < stop; i += PIECE)
            gradient((int)(stop - i < PIECE ? stop - i : PIECE), g + set * n + i, x + set * n + i, gx + set * n + i,
                     c + set * (nodes + 2), sums + q * COPIES * nodes * 4, nodes, low, per_step);
    }
}
