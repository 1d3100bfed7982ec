/* Units with parameters of their own that are no sums of base functions: values, and gradients for inputs and parameters in
 * one pass. What a set's result is depends on that set alone. */
#include "units.h"

#include <string.h>

#include "shares.h"
#include "vector_math.h"

#define PIECE 512

/* p + z q, as Horner's rule has it. */
static void horner(int64_t n, const float *restrict z, float c, float *restrict p) {
    for (int64_t i = 0; i < n; i++) p[i] = FMA(p[i], z[i], c);
}

static void fill(int64_t n, float value, float *restrict p) {
    for (int64_t i = 0; i < n; i++) p[i] = value;
}

/* P and Q at n <= PIECE points, coefficients a_0 .. a_top, b_1 .. b_bottom. */
static void polynomials(int64_t n, const float *restrict z, const float *restrict c, int64_t top, int64_t bottom,
                        float *restrict p, float *restrict q) {
    fill(n, c[top], p);
    for (int64_t j = top - 1; j >= 0; j--) horner(n, z, c[j], p);
    fill(n, c[top + bottom], q);
    for (int64_t k = bottom - 1; k > 0; k--) horner(n, z, c[top + k], q);
    horner(n, z, 0.0f, q);
}

/* P(x) / (1 + |Q(x)|). */
void evoact_rational_values(const float *x, const float *c, float *y, int64_t n, int64_t top, int64_t bottom) {
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t size = least(n - i, PIECE);
        float p[PIECE], q[PIECE];
        polynomials(size, x + i, c, top, bottom, p, q);
        for (int64_t e = 0; e < size; e++) y[i + e] = p[e] / (1.0f + fabsf(q[e]));
    }
}

void evoact_rational_gradients(const float *g, const float *x, const float *c, float *gx, float *gc, int64_t n, int64_t top,
                               int64_t bottom) {
    memset(gc, 0, (size_t)(top + 1 + bottom) * sizeof(float));
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t size = least(n - i, PIECE);
        float p[PIECE], q[PIECE], up[PIECE], down[PIECE], slope[PIECE];
        polynomials(size, x + i, c, top, bottom, p, q);
        for (int64_t e = 0; e < size; e++) {
            float whole = 1.0f / (1.0f + fabsf(q[e])), sign = q[e] > 0.0f ? 1.0f : (q[e] < 0.0f ? -1.0f : 0.0f);
            up[e] = g[i + e] * whole;
            down[e] = -up[e] * p[e] * whole * sign;
        }
        /* dy/dx = up P' + down Q'. */
        fill(size, (float)top * c[top], p);
        for (int64_t j = top - 1; j > 0; j--) horner(size, x + i, (float)j * c[j], p);
        fill(size, (float)bottom * c[top + bottom], slope);
        for (int64_t k = bottom - 1; k > 0; k--) horner(size, x + i, (float)k * c[top + k], slope);
        for (int64_t e = 0; e < size; e++) gx[i + e] = FMA(up[e], top ? p[e] : 0.0f, down[e] * slope[e]);
        fill(size, 1.0f, p); /* from here on the powers of x */
        for (int64_t j = 0; j <= (top > bottom ? top : bottom); j++) {
            if (j <= top) gc[j] += dot(size, up, p);
            if (j && j <= bottom) gc[top + j] += dot(size, down, p);
            for (int64_t e = 0; e < size; e++) p[e] *= x[i + e];
        }
    }
}

/* max(0, x) + sum_s a_s max(0, b_s - x) with c = a_1 .. a_hinges, b_1 .. b_hinges; slopes at bends are those to the side that
 * counts, as `clamp` of PyTorch has them. */
void evoact_hinges_values(const float *restrict x, const float *c, float *restrict y, int64_t n, int64_t hinges) {
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t stop = least(n, i + PIECE);
        for (int64_t e = i; e < stop; e++) y[e] = x[e] < 0.0f ? 0.0f : x[e];
        for (int64_t h = 0; h < hinges; h++)
            for (int64_t e = i; e < stop; e++) {
                float left = c[hinges + h] - x[e];
                y[e] = FMA(c[h], left < 0.0f ? 0.0f : left, y[e]);
            }
    }
}

void evoact_hinges_gradients(const float *restrict g, const float *restrict x, const float *c, float *restrict gx, float *gc,
                             int64_t n, int64_t hinges) {
    memset(gc, 0, (size_t)(2 * hinges) * sizeof(float));
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t stop = least(n, i + PIECE);
        for (int64_t e = i; e < stop; e++) gx[e] = x[e] >= 0.0f ? g[e] : 0.0f;
        for (int64_t h = 0; h < hinges; h++) {
            float a = c[h], b = c[hinges + h], of_a = 0.0f, of_b = 0.0f;
#pragma omp simd reduction(+ : of_a, of_b)
            for (int64_t e = i; e < stop; e++) {
                float left = b - x[e], passed = left >= 0.0f ? g[e] : 0.0f;
                of_a += passed * left;
                of_b += passed;
                gx[e] = FMA(-a, passed, gx[e]);
            }
            gc[h] += of_a;
            gc[hinges + h] += a * of_b;
        }
    }
}

/* x, y: [sets, n], each set with its own parameters. */
void evoact_rational(const float *x, const float *c, float *y, int64_t sets, int64_t n, int64_t top, int64_t bottom,
                     int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++)
        evoact_rational_values(x + s * n, c + s * (top + 1 + bottom), y + s * n, n, top, bottom);
}

void evoact_rational_backward(const float *g, const float *x, const float *c, float *gx, float *gc, int64_t sets,
                              int64_t n, int64_t top, int64_t bottom, int threads) {
    int64_t numbers = top + 1 + bottom;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++)
        evoact_rational_gradients(g + s * n, x + s * n, c + s * numbers, gx + s * n, gc + s * numbers, n, top, bottom);
}

void evoact_hinges(const float *x, const float *c, float *y, int64_t sets, int64_t n, int64_t hinges, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++) evoact_hinges_values(x + s * n, c + s * 2 * hinges, y + s * n, n, hinges);
}

void evoact_hinges_backward(const float *g, const float *x, const float *c, float *gx, float *gc, int64_t sets, int64_t n,
                            int64_t hinges, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++)
        evoact_hinges_gradients(g + s * n, x + s * n, c + s * 2 * hinges, gx + s * n, gc + s * 2 * hinges, n, hinges);
}
