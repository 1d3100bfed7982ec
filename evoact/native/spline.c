/* Uniform cubic B-splines, one per set of elements, and their gradients.
 *
 * A spline over n nodes low, low + h, ... has n + 2 coefficients; between nodes i and i + 1, at the fraction t,
 * it is sum_j B_j(t) c[i + j], j = 0 .. 3. Outside the nodes it goes on straight with the slope at the end.
 */
#include <string.h>

#include "activations.h"
#include "shares.h"
#include "vector_math.h"

#define PIECE 256 /* as in spline.py */
_Static_assert(PIECE <= TERM_PIECE, "a term takes a piece at once");
#define COPIES 4

/* Four neighbouring coefficients as one vector, anywhere in memory (GCC and Clang). */
typedef float Four __attribute__((vector_size(16), aligned(4)));

/* The four basis functions at t, and their derivatives (de Boor 1978, chapter X, for equal steps). */
#define BASIS(t)                                                                                          \
    float u = 1.0f - t, t2 = t * t, u2 = u * u;                                                           \
    float b0 = u2 * u * (1.0f / 6.0f), b3 = t2 * t * (1.0f / 6.0f);                                       \
    float b1 = FMA(t2, FMA(0.5f, t, -1.0f), 2.0f / 3.0f), b2 = FMA(u2, FMA(0.5f, u, -1.0f), 2.0f / 3.0f); \
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
 * additions never overlap in part. Four elements at a time have copies of their own: all are read before any is
 * written, so that none waits for another (three times as fast). */
static void add_up(int n, const int32_t *restrict node, const float (*restrict w)[4], float *restrict sums,
                   int64_t nodes) {
    Four *copy[COPIES];
    for (int k = 0; k < COPIES; k++) copy[k] = (Four *)sums + k * nodes;
    int i = 0;
    for (; i + COPIES <= n; i += COPIES) {
        Four a = copy[0][node[i]] + *(const Four *)w[i], b = copy[1][node[i + 1]] + *(const Four *)w[i + 1];
        Four c = copy[2][node[i + 2]] + *(const Four *)w[i + 2], d = copy[3][node[i + 3]] + *(const Four *)w[i + 3];
        copy[0][node[i]] = a, copy[1][node[i + 1]] = b, copy[2][node[i + 2]] = c, copy[3][node[i + 3]] = d;
    }
    for (; i < n; i++) copy[i % COPIES][node[i]] += *(const Four *)w[i];
}

/* `sums` is NULL if the coefficients' gradients are not wanted. */
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
    if (sums) add_up(n, node, w, sums, nodes);
}

/* The gradients of sum(hx gx) + sum(hc gc) with respect to g, x and c, where gx and gc are what `gradient` makes of
 * g, x and c. With S the spline of c and H that of hc, both straight outside:
 *   gg = hx S' + H,  gx = g (hx S'' + H'),  and hx g times the derivatives of the basis for c. */
static void curvature(int n, const float *restrict g, const float *restrict x, const float *restrict hx,
                      const float *restrict c, const float *restrict hc, float *restrict gg, float *restrict gx,
                      float *restrict sums, int64_t nodes, float low, float per_step) {
    int32_t node[PIECE];
    float fraction[PIECE], outside[PIECE], w[PIECE][4];
    locate(n, x, nodes, low, per_step, node, fraction, outside);
    for (int i = 0; i < n; i++) {
        float t = fraction[i], o = outside[i], h = hx[i] * per_step, e = g[i] * h;
        int32_t j = node[i];
        float k0 = c[j], k1 = c[j + 1], k2 = c[j + 2], k3 = c[j + 3];
        float h0 = hc[j], h1 = hc[j + 1], h2 = hc[j + 2], h3 = hc[j + 3];
        BASIS(t)
        float slope = FMA(d0, k0, FMA(d1, k1, FMA(d2, k2, d3 * k3)));
        float bend = FMA(u, k0, FMA(FMA(3.0f, t, -2.0f), k1, FMA(FMA(3.0f, u, -2.0f), k2, t * k3)));
        float h_value = FMA(b0, h0, FMA(b1, h1, FMA(b2, h2, b3 * h3)));
        float h_slope = FMA(d0, h0, FMA(d1, h1, FMA(d2, h2, d3 * h3)));
        bend = o == 0.0f ? bend : 0.0f * o; /* NaN stays */
        gg[i] = FMA(h, slope, FMA(o, h_slope, h_value));
        gx[i] = g[i] * per_step * FMA(h, bend, h_slope);
        w[i][0] = e * d0, w[i][1] = e * d1, w[i][2] = e * d2, w[i][3] = e * d3;
    }
    add_up(n, node, w, sums, nodes);
}

/* Value and slope; returns how many inputs lie outside. */
static int32_t value_slope(int n, const float *x, float *restrict y, float *restrict slope, const float *restrict c,
                           int64_t nodes, float low, float per_step) {
    int32_t node[PIECE];
    float fraction[PIECE], outside[PIECE];
    locate(n, x, nodes, low, per_step, node, fraction, outside);
    int32_t beyond = 0;
    for (int i = 0; i < n; i++) {
        float t = fraction[i], o = outside[i];
        int32_t j = node[i];
        float k0 = c[j], k1 = c[j + 1], k2 = c[j + 2], k3 = c[j + 3];
        BASIS(t)
        float d = FMA(d0, k0, FMA(d1, k1, FMA(d2, k2, d3 * k3)));
        y[i] = FMA(o, d, FMA(b0, k0, FMA(b1, k1, FMA(b2, k2, b3 * k3))));
        slope[i] = d * per_step;
        beyond += o != 0.0f;
    }
    return beyond;
}

/* The gradients with respect to x and c of sum(r y) + sum(g tx S'(x)): what flows back where y is perturbed along
 * tx and the incoming gradient g along r. */
static void tangent(int n, const float *restrict g, const float *restrict r, const float *restrict x,
                    const float *restrict tx, const float *restrict c, float *restrict gx, float *restrict sums,
                    int64_t nodes, float low, float per_step) {
    int32_t node[PIECE];
    float fraction[PIECE], outside[PIECE], w[PIECE][4];
    locate(n, x, nodes, low, per_step, node, fraction, outside);
    for (int i = 0; i < n; i++) {
        float t = fraction[i], o = outside[i], e = g[i] * tx[i] * per_step;
        int32_t j = node[i];
        float k0 = c[j], k1 = c[j + 1], k2 = c[j + 2], k3 = c[j + 3];
        BASIS(t)
        float slope = FMA(d0, k0, FMA(d1, k1, FMA(d2, k2, d3 * k3)));
        float bend = FMA(u, k0, FMA(FMA(3.0f, t, -2.0f), k1, FMA(FMA(3.0f, u, -2.0f), k2, t * k3)));
        bend = o == 0.0f ? bend : 0.0f * o; /* NaN stays */
        gx[i] = per_step * FMA(r[i], slope, e * bend);
        float a = FMA(r[i], o, e);
        w[i][0] = FMA(r[i], b0, a * d0), w[i][1] = FMA(r[i], b1, a * d1);
        w[i][2] = FMA(r[i], b2, a * d2), w[i][3] = FMA(r[i], b3, a * d3);
    }
    add_up(n, node, w, sums, nodes);
}

/* x, y: [sets, n]; c: [sets, nodes + 2]. */
void evoact_spline_forward(const float *x, float *y, const float *c, int64_t sets, int64_t n, int64_t nodes, float low,
                           float per_step, int threads) {
    int64_t pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * pieces; q++) {
        int64_t set = q / pieces, i = q % pieces * PIECE;
        value((int)least(n - i, PIECE), x + set * n + i, y + set * n + i, c + set * (nodes + 2), nodes, low, per_step);
    }
}

/* gx: [sets, n], written whole; sums: NULL, or [sets, blocks, COPIES, nodes, 4], which must be 0 on entry: the elements of a set
 * are shared out into blocks, each with sums of its own, which then do not depend on the number of threads. */
void evoact_spline_backward(const float *g, const float *x, float *gx, const float *c, float *sums, int64_t sets,
                            int64_t blocks, int64_t n, int64_t nodes, float low, float per_step, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * blocks; q++) {
        int64_t set = q / blocks, start = n * (q % blocks) / blocks, stop = n * (q % blocks + 1) / blocks;
        for (int64_t i = start; i < stop; i += PIECE)
            gradient((int)least(stop - i, PIECE), g + set * n + i, x + set * n + i, gx + set * n + i, c + set * (nodes + 2),
                     sums ? sums + q * COPIES * nodes * 4 : NULL, nodes, low, per_step);
    }
}

/* gg, gx: [sets, n], written whole; hc as c; sums as above. */
void evoact_spline_curvature(const float *g, const float *x, const float *hx, const float *c, const float *hc, float *gg,
                             float *gx, float *sums, int64_t sets, int64_t blocks, int64_t n, int64_t nodes, float low,
                             float per_step, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * blocks; q++) {
        int64_t set = q / blocks, start = n * (q % blocks) / blocks, stop = n * (q % blocks + 1) / blocks;
        const float *cs = c + set * (nodes + 2), *hs = hc + set * (nodes + 2);
        for (int64_t i = start; i < stop; i += PIECE) {
            int64_t at = set * n + i;
            curvature((int)least(stop - i, PIECE), g + at, x + at, hx + at, cs, hs, gg + at, gx + at,
                      sums + q * COPIES * nodes * 4, nodes, low, per_step);
        }
    }
}

/* y, slope: [sets, n], written whole; beyond: [sets, pieces of PIECE], how many inputs lie outside. */
void evoact_spline_value_slope(const float *x, float *y, float *slope, const float *c, int32_t *beyond, int64_t sets,
                               int64_t n, int64_t nodes, float low, float per_step, int threads) {
    int64_t pieces = (n + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * pieces; q++) {
        int64_t set = q / pieces, i = q % pieces * PIECE, at = set * n + i;
        beyond[q] = value_slope((int)least(n - i, PIECE), x + at, y + at, slope + at, c + set * (nodes + 2), nodes, low,
                                per_step);
    }
}

/* gx: [sets, n], written whole; sums as above. */
void evoact_spline_tangent(const float *g, const float *r, const float *x, const float *tx, const float *c, float *gx,
                           float *sums, int64_t sets, int64_t blocks, int64_t n, int64_t nodes, float low,
                           float per_step, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * blocks; q++) {
        int64_t set = q / blocks, start = n * (q % blocks) / blocks, stop = n * (q % blocks + 1) / blocks;
        for (int64_t i = start; i < stop; i += PIECE) {
            int64_t at = set * n + i;
            tangent((int)least(stop - i, PIECE), g + at, r + at, x + at, tx + at, c + set * (nodes + 2), gx + at,
                    sums + q * COPIES * nodes * 4, nodes, low, per_step);
        }
    }
}

/* The gradients [sets, nodes + 2] of the coefficients from `sums` with so many copies of [nodes, 4] for each set. */
void evoact_spline_fold(const float *sums, float *gc, int64_t sets, int64_t copies, int64_t nodes) {
    for (int64_t set = 0; set < sets; set++) {
        float *out = gc + set * (nodes + 2);
        memset(out, 0, (size_t)(nodes + 2) * sizeof(float));
        for (int64_t k = 0; k < copies; k++) {
            const float *sum = sums + (set * copies + k) * nodes * 4;
            for (int64_t i = 0; i < nodes - 1; i++) /* the last node begins no interval */
                *(Four *)(out + i) += *(const Four *)(sum + 4 * i);
        }
    }
}

/* The same splines as polynomials p0 + p1 t + p2 t^2 + p3 t^3 between nodes, each as two pairs of numbers: a vector of
 * pairs is fetched in half the time that its numbers take one by one. c: [sets, nodes + 2], pairs: [sets, nodes, 2]. */
typedef union {
    float number[2];
    uint64_t both;
} Pair;

static void polynomials(const float *c, uint64_t *pairs, int64_t sets, int64_t nodes) {
    for (int64_t set = 0; set < sets; set++)
        for (int64_t i = 0; i < nodes - 1; i++) {
            const float *k = c + set * (nodes + 2) + i;
            uint64_t *out = pairs + (set * nodes + i) * 2;
            Pair low = {{(k[0] + 4.0f * k[1] + k[2]) / 6.0f, (k[2] - k[0]) / 2.0f}};
            Pair high = {{(k[0] - 2.0f * k[1] + k[2]) / 2.0f, (3.0f * (k[1] - k[2]) + k[3] - k[0]) / 6.0f}};
            out[0] = low.both, out[1] = high.both;
        }
}

INLINE float first_of(uint64_t both) {
    union { uint32_t bits; float number; } u = {(uint32_t)both};
    return u.number;
}

INLINE float second_of(uint64_t both) { return first_of(both >> 32); }

/* y grows by the spline, slope by its derivative. */
static void add_spline(int n, const float *restrict x, float *restrict y, float *restrict slope,
                       const uint64_t *restrict pairs, int64_t nodes, float low, float per_step) {
    int32_t node[PIECE];
    float fraction[PIECE], outside[PIECE];
    locate(n, x, nodes, low, per_step, node, fraction, outside);
    for (int i = 0; i < n; i++) {
        float t = fraction[i];
        uint64_t p01 = pairs[2 * node[i]], p23 = pairs[2 * node[i] + 1];
        float p0 = first_of(p01), p1 = second_of(p01), p2 = first_of(p23), p3 = second_of(p23);
        float d = FMA(FMA(3.0f * p3, t, 2.0f * p2), t, p1);
        y[i] += FMA(outside[i], d, FMA(FMA(FMA(p3, t, p2), t, p1), t, p0));
        slope[i] = FMA(d, per_step, slope[i]);
    }
}

/* Adds the gradients of the polynomials' coefficients to `sums`. */
static void polynomial_gradient(int n, const float *restrict g, const float *restrict x, float *restrict sums,
                                int64_t nodes, float low, float per_step) {
    int32_t node[PIECE];
    float fraction[PIECE], outside[PIECE], w[PIECE][4];
    locate(n, x, nodes, low, per_step, node, fraction, outside);
    for (int i = 0; i < n; i++) {
        float t = fraction[i], o = outside[i], gt = g[i] * t;
        w[i][0] = g[i], w[i][1] = FMA(g[i], o, gt);
        w[i][2] = gt * FMA(2.0f, o, t), w[i][3] = gt * t * FMA(3.0f, o, t);
    }
    add_up(n, node, w, sums, nodes);
}

/* From the gradients of polynomials [sets, nodes, 4] those of the coefficients [sets, nodes + 2]. */
void evoact_polynomials_fold(const float *gp, float *gc, int64_t sets, int64_t nodes) {
    memset(gc, 0, (size_t)(sets * (nodes + 2)) * sizeof(float));
    for (int64_t set = 0; set < sets; set++)
        for (int64_t i = 0; i < nodes - 1; i++) {
            const float *p = gp + (set * nodes + i) * 4;
            float *out = gc + set * (nodes + 2) + i, p0 = p[0] / 6.0f, p1 = p[1] / 2.0f, p2 = p[2] / 2.0f, p3 = p[3] / 6.0f;
            out[0] += p0 - p1 + p2 - p3, out[1] += 4.0f * p0 - 2.0f * p2 + 3.0f * p3;
            out[2] += p0 + p1 + p2 - 3.0f * p3, out[3] += p3;
        }
}

/* Rows that are a term and a spline, in one pass, wherever they lie among others: row rows[q] of x [rows, stride], of
 * which the first m numbers count, and of y [rows, m], is terms[begin[rows[q]]] plus the spline with the coefficients
 * c[sets[q]]. `slopes` [count, m] keeps their derivatives for the way back; NULL where there is none. `pairs` is room
 * for polynomials of all `splines` splines. */
void evoact_splined_rows_forward(const float *x, float *y, float *slopes, const float *c, uint64_t *pairs,
                                 const int32_t *begin, const Term *terms, const int64_t *rows, const int32_t *sets,
                                 int64_t splines, int64_t count, int64_t stride, int64_t m, int64_t nodes, float low,
                                 float per_step, int threads) {
    polynomials(c, pairs, splines, nodes);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < count; q++) {
        float spare[PIECE];
        for (int64_t i = 0; i < m; i += PIECE) {
            int n = (int)least(m - i, PIECE);
            const float *in = x + rows[q] * stride + i;
            float *out = y + rows[q] * m + i, *slope = slopes ? slopes + q * m + i : spare;
            evoact_term(terms + begin[rows[q]], n, in, out, slope);
            add_spline(n, in, out, slope, pairs + sets[q] * nodes * 2, nodes, low, per_step);
        }
    }
}

/* gx: as x, of which the first m numbers of these rows are written; sums: [blocks, COPIES, nodes, 4], the polynomials'
 * gradients, 0 on entry: the rows are shared out into blocks, first[b] .. first[b + 1] of one spline each, so that sums
 * depend neither on threads nor on other splines. */
void evoact_splined_rows_backward(const float *g, const float *x, const float *slopes, float *gx, float *sums,
                                  const int64_t *rows, const int32_t *first, int64_t blocks, int64_t stride, int64_t m,
                                  int64_t nodes, float low, float per_step, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t q = first[b]; q < first[b + 1]; q++)
            for (int64_t i = 0; i < m; i += PIECE) {
                int n = (int)least(m - i, PIECE);
                const float *gq = g + rows[q] * m + i, *slope = slopes + q * m + i;
                float *out = gx + rows[q] * stride + i;
                for (int k = 0; k < n; k++) out[k] = gq[k] * slope[k];
                polynomial_gradient(n, gq, x + rows[q] * stride + i, sums + b * COPIES * nodes * 4, nodes, low,
                                    per_step);
            }
}
