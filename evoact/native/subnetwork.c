/* Networks of one input, h hidden units and one output, one per set of points, and their gradients:
 *
 *   y = v . tanh(u x + b) + d,    parameters [u (h), b (h), v (h), d].
 *
 * Nothing of size points x h is stored: units are evaluated for a piece of points at a time, and again on the way back.
 */
#include <string.h>

#include "shares.h"
#include "vector_math.h"

#define PIECE 256
#define BLOCK 4096 /* points that share one sum of the parameters' gradients; a multiple of PIECE */

static void forward_piece(int n, const float *restrict x, float *restrict y, const float *p, int64_t h) {
    for (int i = 0; i < n; i++) y[i] = p[3 * h];
    for (int64_t j = 0; j < h; j++) {
        float u = p[j], b = p[h + j], v = p[2 * h + j];
        for (int i = 0; i < n; i++) y[i] = FMA(v, vtanh(FMA(u, x[i], b)), y[i]);
    }
}

/* gx is written whole; gp grows. */
static void backward_piece(int n, const float *restrict g, const float *restrict x, float *restrict gx, const float *p,
                           float *gp, int64_t h) {
    float gd = 0.0f;
    memset(gx, 0, (size_t)n * sizeof(float));
    for (int64_t j = 0; j < h; j++) {
        float u = p[j], b = p[h + j], v = p[2 * h + j], gu = 0.0f, gb = 0.0f, gv = 0.0f;
#pragma omp simd reduction(+ : gu, gb, gv)
        for (int i = 0; i < n; i++) {
            float t = vtanh(FMA(u, x[i], b)), slope = g[i] * FMA(-t, t, 1.0f);
            gv += g[i] * t, gb += slope, gu += slope * x[i];
            gx[i] = FMA(slope, v * u, gx[i]);
        }
        gp[j] += v * gu, gp[h + j] += v * gb, gp[2 * h + j] += gv;
    }
#pragma omp simd reduction(+ : gd)
    for (int i = 0; i < n; i++) gd += g[i];
    gp[3 * h] += gd;
}

/* x, y: [sets, n]; p: [sets, 3 h + 1]. */
void evoact_subnetwork_forward(const float *x, float *y, const float *p, int64_t sets, int64_t n, int64_t h,
                               int threads) {
    int64_t pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * pieces; q++) {
        int64_t set = q / pieces, i = q % pieces * PIECE;
        forward_piece((int)least(n - i, PIECE), x + set * n + i, y + set * n + i, p + set * (3 * h + 1), h);
    }
}

/* gx: [sets, n], written whole; sums: [sets, blocks of BLOCK points, 3 h + 1], 0 on entry, each a block's gradient of the
 * parameters: they do not depend on the number of threads. */
void evoact_subnetwork_backward(const float *g, const float *x, float *gx, const float *p, float *sums, int64_t sets,
                                int64_t n, int64_t h, int threads) {
    int64_t blocks = (n + BLOCK - 1) / BLOCK, size = 3 * h + 1;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * blocks; q++) {
        int64_t set = q / blocks, start = q % blocks * BLOCK, stop = least(n, start + BLOCK);
        for (int64_t i = start; i < stop; i += PIECE) {
            int64_t at = set * n + i;
            backward_piece((int)least(stop - i, PIECE), g + at, x + at, gx + at, p + set * size, sums + q * size, h);
        }
    }
}

/* gp: [sets, size], the blocks of `sums` added up in order. */
void evoact_subnetwork_fold(const float *sums, float *gp, int64_t sets, int64_t blocks, int64_t size) {
    memset(gp, 0, (size_t)(sets * size) * sizeof(float));
    for (int64_t set = 0; set < sets; set++)
        for (int64_t b = 0; b < blocks; b++)
            for (int64_t k = 0; k < size; k++) gp[set * size + k] += sums[(set * blocks + b) * size + k];
}
