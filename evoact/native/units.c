/* Units with parameters of their own that are no sums of base functions: values, and gradients for inputs and parameters in
 * one pass. x, y: [sets, n], each set with its own parameters; what a set's result is depends on that set alone. */
#include "vector_math.h"

#define PIECE 512

/* p + z q, as Horner's rule has it. */
static void horner(int64_t n, const float *restrict z, float c, float *restrict p) {
    for (int64_t i = 0; i < n; i++) p[i] = FMA(p[i], z[i], c);
}

static void fill(int64_t n, float value, float *restrict p) {
    for (int64_t i = 0; i < n; i++) p[i] = value;
}

static float dot(int64_t n, const float *restrict a, const float *restrict b) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
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
void evoact_rational(const float *x, const float *c, float *y, int64_t sets, int64_t n, int64_t top, int64_t bottom,
                     int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++)
        for (int64_t i = 0; i < n; i += PIECE) {
            int64_t size = n - i < PIECE ? n - i : PIECE;
            float p[PIECE], q[PIECE], *to = y + s * n + i;
            polynomials(size, x + s * n + i, c + s * (top + 1 + bottom), top, bottom, p, q);
            for (int64_t e = 0; e < size; e++) to[e] = p[e] / (1.0f + fabsf(q[e]));
        }
}

void evoact_rational_backward(const float *g, const float *x, const float *c, float *gx, float *gc, int64_t sets,
                              int64_t n, int64_t top, int64_t bottom, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++) {
        const float *cs = c + s * (top + 1 + bottom);
        float *to = gc + s * (top + 1 + bottom);
        for (int64_t j = 0; j <= top + bottom; j++) to[j] = 0.0f;
        for (int64_t i = 0; i < n; i += PIECE) {
            int64_t size = n - i < PIECE ? n - i : PIECE;
            const float *z = x + s * n + i;
            float p[PIECE], q[PIECE], up[PIECE], down[PIECE], slope[PIECE], *grad = gx + s * n + i;
            polynomials(size, z, cs, top, bottom, p, q);
            for (int64_t e = 0; e < size; e++) {
                float whole = 1.0f / (1.0f + fabsf(q[e])), sign = q[e] > 0.0f ? 1.0f : (q[e] < 0.0f ? -1.0f : 0.0f);
                up[e] = g[s * n + i + e] * whole;
                down[e] = -up[e] * p[e] * whole * sign;
            }
            /* dy/dx = up P' + down Q'. */
            fill(size, (float)top * cs[top], p);
            for (int64_t j = top - 1; j > 0; j--) horner(size, z, (float)j * cs[j], p);
            fill(size, (float)bottom * cs[top + bottom], slope);
            for (int64_t k = bottom - 1; k > 0; k--) horner(size, z, (float)k * cs[top + k], slope);
            for (int64_t e = 0; e < size; e++) grad[e] = FMA(up[e], top ? p[e] : 0.0f, down[e] * slope[e]);
            fill(size, 1.0f, p); /* from here on the powers of x */
            for (int64_t j = 0; j <= (top > bottom ? top : bottom); j++) {
                if (j <= top) to[j] += dot(size, up, p);
                if (j && j <= bottom) to[top + j] += dot(size, down, p);
                for (int64_t e = 0; e < size; e++) p[e] *= z[e];
            }
        }
    }
}

/* max(0, x) + sum_s a_s max(0, b_s - x) with c = a_1 .. a_hinges, b_1 .. b_hinges; slopes at bends are those to the side that
 * counts, as `clamp` of PyTorch has them. */
void evoact_hinges(const float *x, const float *c, float *y, int64_t sets, int64_t n, int64_t hinges, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++)
        for (int64_t i = 0; i < n; i += PIECE) {
            int64_t size = n - i < PIECE ? n - i : PIECE;
            const float *restrict z = x + s * n + i, *cs = c + s * 2 * hinges;
            float *restrict to = y + s * n + i;
            for (int64_t e = 0; e < size; e++) to[e] = z[e] < 0.0f ? 0.0f : z[e];
            for (int64_t h = 0; h < hinges; h++)
                for (int64_t e = 0; e < size; e++) {
                    float left = cs[hinges + h] - z[e];
                    to[e] = FMA(cs[h], left < 0.0f ? 0.0f : left, to[e]);
                }
        }
}

void evoact_hinges_backward(const float *g, const float *x, const float *c, float *gx, float *gc, int64_t sets, int64_t n,
                            int64_t hinges, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++) {
        const float *cs = c + s * 2 * hinges;
        float *to = gc + s * 2 * hinges;
        for (int64_t h = 0; h < 2 * hinges; h++) to[h] = 0.0f;
        for (int64_t i = 0; i < n; i += PIECE) {
            int64_t size = n - i < PIECE ? n - i : PIECE;
            const float *restrict z = x + s * n + i, *restrict from = g + s * n + i;
            float *restrict grad = gx + s * n + i;
            for (int64_t e = 0; e < size; e++) grad[e] = z[e] >= 0.0f ? from[e] : 0.0f;
            for (int64_t h = 0; h < hinges; h++) {
                float a = cs[h], b = cs[hinges + h], of_a = 0.0f, of_b = 0.0f;
#pragma omp simd reduction(+ : of_a, of_b)
                for (int64_t e = 0; e < size; e++) {
                    float left = b - z[e], passed = left >= 0.0f ? from[e] : 0.0f;
                    of_a += passed * left;
                    of_b += passed;
                    grad[e] = FMA(-a, passed, grad[e]);
                }
                to[h] += of_a;
                to[hinges + h] += a * of_b;
            }
        }
    }
}
