/* Attention (Vaswani et al. 2017, equation 1) of short sequences in many heads: o = softmax(scale q k') v.
 *
 * A head is computed for 16 queries at a time, which lie side by side in a vector, so that the softmax over keys needs no
 * sum within vectors. Weights are not kept: backward computes them again from the logarithms of their sums (Dao et al.
 * 2022). What a head gives depends on nothing but the head. */
#include <stdlib.h>
#include <string.h>

#include "shares.h"
#include "vector_math.h"

/* All heads take the same way through this file, so that compilers may contract here. */
#ifdef __clang__
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif

/* Unlike the vectors of `vectors.h`, these are 16 queries however wide the processor's registers are: if a vector takes two of
 * them, the products of one hide the latency of the other's. */
#define LANES 16
#define LANE for (int l = 0; l < LANES; l++)

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float Eight __attribute__((vector_size(32), aligned(4)));

typedef struct {
    int64_t groups, batch, heads, queries, keys, width, causal, threads;
    int64_t q[4], k[4], v[4], o[4]; /* steps from group to group, example, head and place; o's are those of its gradient */
} Heads;

/* Place `i` of head `n`. */
INLINE int64_t place(const Heads *a, const int64_t *steps, int64_t n) {
    return n / a->heads / a->batch * steps[0] + n / a->heads % a->batch * steps[1] + n % a->heads * steps[2];
}

/* 16 rows of x from row `i`, turned: y[d][lane], zeros behind the last row. */
INLINE void turn(const float *x, int64_t step, int64_t i, int64_t rows, int64_t width, float scale, float (*y)[LANES]) {
    for (int64_t d = 0; d < width; d++)
        LANE y[d][l] = i + l < rows ? x[(i + l) * step + d] * scale : 0.0f;
}

/* s[j][l] = sum over d of rows[j][d] x[d][l], four rows at a time. */
INLINE void products(const float *rows, int64_t step, int64_t count, int64_t width, const float (*x)[LANES],
                     float (*restrict s)[LANES]) {
    const Vector *in = (const Vector *)x;
    Vector *out = (Vector *)s;
    int64_t j = 0;
    for (; j + 4 <= count; j += 4) {
        const float *r = rows + j * step;
        Vector a = {0}, b = {0}, c = {0}, e = {0};
        for (int64_t d = 0; d < width; d++) {
            a += r[d] * in[d];
            b += r[step + d] * in[d];
            c += r[2 * step + d] * in[d];
            e += r[3 * step + d] * in[d];
        }
        out[j] = a, out[j + 1] = b, out[j + 2] = c, out[j + 3] = e;
    }
    for (; j < count; j++) {
        Vector a = {0};
        for (int64_t d = 0; d < width; d++)
            a += rows[j * step + d] * in[d];
        out[j] = a;
    }
}

/* y[d][l] = sum over j of rows[j][d] p[j][l], four d at a time. */
INLINE void gather(const float *rows, int64_t step, int64_t count, int64_t width, const float (*p)[LANES],
                   float (*restrict y)[LANES]) {
    const Vector *in = (const Vector *)p;
    Vector *out = (Vector *)y;
    int64_t d = 0;
    for (; d + 4 <= width; d += 4) {
        Vector a = {0}, b = {0}, c = {0}, e = {0};
        for (int64_t j = 0; j < count; j++) {
            const float *r = rows + j * step + d;
            a += r[0] * in[j];
            b += r[1] * in[j];
            c += r[2] * in[j];
            e += r[3] * in[j];
        }
        out[d] = a, out[d + 1] = b, out[d + 2] = c, out[d + 3] = e;
    }
    for (; d < width; d++) {
        Vector a = {0};
        for (int64_t j = 0; j < count; j++)
            a += rows[j * step + d] * in[j];
        out[d] = a;
    }
}

/* y[j] += sum over lanes of p[j][l] rows[l], with rows of `depth` numbers, a multiple of eight. */
INLINE void scatter(const float (*p)[LANES], int64_t count, const float *rows, float *restrict y, int64_t depth) {
    for (int64_t d = 0; d < depth; d += 8) {
        Eight row[LANES];
        LANE row[l] = *(const Eight *)(rows + l * depth + d);
        int64_t j = 0;
        for (; j + 2 <= count; j += 2) {
            Eight *first = (Eight *)(y + j * depth + d), *second = (Eight *)(y + (j + 1) * depth + d);
            Eight a = *first, b = *second, c = {0}, e = {0};
#pragma GCC unroll 8
            for (int l = 0; l < LANES; l += 2) {
                a += p[j][l] * row[l];
                b += p[j + 1][l] * row[l];
                c += p[j][l + 1] * row[l + 1];
                e += p[j + 1][l + 1] * row[l + 1];
            }
            *first = a + c, *second = b + e;
        }
        for (; j < count; j++) {
            Eight *first = (Eight *)(y + j * depth + d), a = *first, c = {0};
            for (int l = 0; l < LANES; l += 2) {
                a += p[j][l] * row[l];
                c += p[j][l + 1] * row[l + 1];
            }
            *first = a + c;
        }
    }
}

/* s[j][l] = e^(s[j][l] - less[l]) */
INLINE void exponentials(float (*s)[LANES], int64_t count, const float *less) {
    for (int64_t j = 0; j < count; j++)
        ((Vector *)s)[j] -= *(const Vector *)less;
    float *flat = (float *)s;
    for (int64_t i = 0; i < count * LANES; i++)
        flat[i] = vexp(flat[i]);
}

INLINE void scores(const Heads *a, const float *k, int64_t i, const float (*q)[LANES], float (*s)[LANES]) {
    products(k, a->k[3], a->keys, a->width, q, s);
    if (a->causal)
        for (int64_t j = 0; j < a->keys; j++)
            LANE s[j][l] = j > i + l ? -INFINITY : s[j][l];
}

/* o like q, and the logarithms of sums [heads of all, queries]. */
int evoact_attention(const float *q, const float *k, const float *v, float *o, float *logarithms, float scale,
                      const Heads *a) {
    int64_t all = a->groups * a->batch * a->heads, threads = a->threads, size = a->keys + 2 * a->width;
    float (*rooms)[LANES] = aligned_alloc(64, (size_t)(threads * size) * sizeof *rooms);
    if (!rooms) return NO_ROOM;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        float (*s)[LANES] = rooms + t * size, (*x)[LANES] = s + a->keys, (*y)[LANES] = x + a->width;
        for (int64_t n = share(all, t, threads); n < share(all, t + 1, threads); n++) {
            const float *mine = q + place(a, a->q, n), *keys = k + place(a, a->k, n), *values = v + place(a, a->v, n);
            float *out = o + place(a, a->o, n);
            for (int64_t i = 0; i < a->queries; i += LANES) {
                float most[LANES] __attribute__((aligned(64))), sum[LANES] __attribute__((aligned(64))) = {0};
                turn(mine, a->q[3], i, a->queries, a->width, scale, x);
                scores(a, keys, i, (const float (*)[LANES])x, s);
                memcpy(most, s[0], sizeof most);
                for (int64_t j = 1; j < a->keys; j++)
                    LANE most[l] = s[j][l] > most[l] ? s[j][l] : most[l];
                exponentials(s, a->keys, most);
                for (int64_t j = 0; j < a->keys; j++)
                    *(Vector *)sum += ((Vector *)s)[j];
                gather(values, a->v[3], a->keys, a->width, (const float (*)[LANES])s, y);
                int64_t last = least(a->queries - i, LANES);
                for (int64_t d = 0; d < a->width; d++)
                    LANE y[d][l] /= sum[l];
                for (int64_t l = 0; l < last; l++) {
                    logarithms[n * a->queries + i + l] = most[l] + logf(sum[l]);
                    for (int64_t d = 0; d < a->width; d++)
                        out[(i + l) * a->o[3] + d] = y[d][l];
                }
            }
        }
    }
    free(rooms);
    return 0;
}

/* Gradients of q, k and v, which lie as these do, from that of o, which lies as o does. */
int evoact_attention_backward(const float *g, const float *q, const float *k, const float *v, const float *o,
                              const float *logarithms, float *grad_q, float *grad_k, float *grad_v, const int64_t *steps,
                              float scale, const Heads *a) {
    int64_t all = a->groups * a->batch * a->heads, threads = a->threads, width = a->width;
    int64_t depth = (width + 7) / 8 * 8, rows = 2 * (LANES + a->keys) * depth; /* all numbers of rows of `depth` */
    int64_t size = 2 * a->keys + 3 * width + (rows + LANES - 1) / LANES;
    const int64_t *of_q = steps, *of_k = steps + 4, *of_v = steps + 8;
    float (*rooms)[LANES] = aligned_alloc(64, (size_t)(threads * size) * sizeof *rooms);
    if (!rooms) return NO_ROOM;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        float (*p)[LANES] = rooms + t * size;
        float (*dp)[LANES] = p + a->keys, (*x)[LANES] = dp + a->keys, (*h)[LANES] = x + width, (*y)[LANES] = h + width;
        float *q_rows = (float *)(y + width), *g_rows = q_rows + LANES * depth, *dk = g_rows + LANES * depth,
              *dv = dk + a->keys * depth;
        for (int64_t n = share(all, t, threads); n < share(all, t + 1, threads); n++) {
            const float *mine = q + place(a, a->q, n), *keys = k + place(a, a->k, n), *values = v + place(a, a->v, n);
            const float *out = o + place(a, a->o, n), *of = g + place(a, a->o, n);
            float *to_q = grad_q + place(a, of_q, n), *to_k = grad_k + place(a, of_k, n), *to_v = grad_v + place(a, of_v, n);
            memset(dk, 0, (size_t)(2 * a->keys * depth) * sizeof(float));
            for (int64_t i = 0; i < a->queries; i += LANES) {
                int64_t last = least(a->queries - i, LANES);
                float inner[LANES] __attribute__((aligned(64))) = {0}, total[LANES] __attribute__((aligned(64))) = {0};
                memset(q_rows, 0, (size_t)(2 * LANES * depth) * sizeof(float));
                for (int64_t l = 0; l < last; l++) {
                    total[l] = logarithms[n * a->queries + i + l];
                    for (int64_t d = 0; d < width; d++) {
                        q_rows[l * depth + d] = mine[(i + l) * a->q[3] + d] * scale;
                        g_rows[l * depth + d] = of[(i + l) * a->o[3] + d];
                        inner[l] = FMA(of[(i + l) * a->o[3] + d], out[(i + l) * a->o[3] + d], inner[l]);
                    }
                }
                for (int64_t d = 0; d < width; d++)
                    LANE {
                        x[d][l] = q_rows[l * depth + d];
                        h[d][l] = g_rows[l * depth + d];
                    }
                scores(a, keys, i, (const float (*)[LANES])x, p);
                products(values, a->v[3], a->keys, width, (const float (*)[LANES])h, dp);
                exponentials(p, a->keys, total);
                for (int64_t j = 0; j < a->keys; j++)
                    ((Vector *)dp)[j] = ((Vector *)p)[j] * (((Vector *)dp)[j] - *(Vector *)inner);
                gather(keys, a->k[3], a->keys, width, (const float (*)[LANES])dp, y);
                for (int64_t l = 0; l < last; l++)
                    for (int64_t d = 0; d < width; d++)
                        to_q[(i + l) * of_q[3] + d] = y[d][l] * scale;
                scatter((const float (*)[LANES])p, a->keys, g_rows, dv, depth);
                scatter((const float (*)[LANES])dp, a->keys, q_rows, dk, depth);
            }
            for (int64_t j = 0; j < a->keys; j++)
                for (int64_t d = 0; d < width; d++) {
                    to_k[j * of_k[3] + d] = dk[j * depth + d];
                    to_v[j * of_v[3] + d] = dv[j * depth + d];
                }
        }
    }
    free(rooms);
    return 0;
}
