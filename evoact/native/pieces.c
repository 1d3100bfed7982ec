/* Units of several pre-activations a neuron, x[sets, rows, pieces, m]: the rows of a set share its parameters. What a set's
 * result is depends on that set alone.
 *
 * Rows are worked through in blocks of whole rows, or of parts of one if rows are long: the pieces of a block are laid side
 * by side, so that short rows fill vectors, too. */
#include <stdlib.h>
#include <string.h>

#include "activations.h"
#include "vector_math.h"

#define BLOCK 512 /* elements of a piece; at least TERM_PIECE */

typedef struct {
    int64_t row, rows, start, size; /* columns start .. start + size of so many rows */
} Block;

/* Block number b of a set. */
static Block block_at(int64_t b, int64_t rows, int64_t m, int64_t most) {
    if (m > most) {
        int64_t parts = (m + most - 1) / most, start = b % parts * most;
        return (Block){b / parts, 1, start, m - start < most ? m - start : most};
    }
    int64_t together = most / m, row = b * together;
    return (Block){row, rows - row < together ? rows - row : together, 0, m};
}

static int64_t count_blocks(int64_t rows, int64_t m, int64_t most) {
    if (!m) return 0;
    return m > most ? rows * ((m + most - 1) / most) : (rows + most / m - 1) / (most / m);
}

/* Piece number p of `pieces` in a block, from and to x[rows, pieces, m]. */
static void gather(Block b, const float *x, int64_t p, int64_t pieces, int64_t m, float *restrict to) {
    for (int64_t r = 0; r < b.rows; r++)
        memcpy(to + r * b.size, x + ((b.row + r) * pieces + p) * m + b.start, (size_t)b.size * sizeof(float));
}

static void scatter(Block b, const float *restrict from, int64_t p, int64_t pieces, int64_t m, float *x) {
    for (int64_t r = 0; r < b.rows; r++)
        memcpy(x + ((b.row + r) * pieces + p) * m + b.start, from + r * b.size, (size_t)b.size * sizeof(float));
}

static float dot(int64_t n, const float *restrict a, const float *restrict b) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static float total_of(int64_t n, const float *restrict a) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i];
    return sum;
}

#define SMALLEST 1e-30f /* as in kinds/lp_pool.py */

/* Numbers without a sign are ordered as their bits are, NaN above all: integers compare without branches. */
INLINE int32_t bits_of(float x) { return ((Bits){.f = x}).i; }
INLINE float of_bits(int32_t i) { return ((Bits){.i = i}).f; }

INLINE float distance(float z, float c) {
    int32_t d = bits_of(fabsf(z - c)), least = bits_of(SMALLEST);
    return of_bits(d > least ? d : least);
}

/* e^x for x <= 0, at least the smallest normal number. */
INLINE float vexp_below(float x) {
    float power, e = reduced_expm1(limited(x, 87.33f), 127.0f, &power);
    return FMA(e, power, power);
}

/* Of n <= BLOCK neurons the largest distance, the terms t_i = (d_i / largest)^p, their sum, and the sum of t_i log(d_i /
 * largest). The farthest piece has the term 1: of two only the other needs a logarithm and a power. */
static void two_terms(int64_t n, const float *restrict d0, const float *restrict d1, float p, float *restrict far,
                      float *restrict t0, float *restrict t1, float *restrict total, float *restrict logs) {
    for (int64_t e = 0; e < n; e++) {
        int32_t a = bits_of(d0[e]), b = bits_of(d1[e]);
        float largest = of_bits(a > b ? a : b), near = of_bits(a > b ? b : a);
        float log = vlog(near / largest), term = vexp_below(p * log);
        far[e] = largest;
        t0[e] = a > b ? 1.0f : term;
        t1[e] = a > b ? term : 1.0f;
        total[e] = 1.0f + term;
        logs[e] = term * log;
    }
}

static void larger(int64_t n, const float *restrict d, float *restrict far) {
    for (int64_t e = 0; e < n; e++) {
        int32_t a = bits_of(d[e]), b = bits_of(far[e]);
        far[e] = of_bits(a > b ? a : b);
    }
}

static void add_term(int64_t n, const float *restrict d, float p, const float *restrict far, float *restrict t,
                     float *restrict total, float *restrict logs) {
    for (int64_t e = 0; e < n; e++) {
        float log = vlog(d[e] / far[e]), term = vexp_below(p * log);
        t[e] = term;
        total[e] += term;
        logs[e] = FMA(term, log, logs[e]);
    }
}

static void all_terms(int64_t n, const float *d, int64_t pieces, float p, float *far, float *t, float *total,
                      float *logs) {
    memcpy(far, d, (size_t)n * sizeof(float));
    for (int64_t i = 1; i < pieces; i++) larger(n, d + i * BLOCK, far);
    memset(total, 0, (size_t)n * sizeof(float));
    memset(logs, 0, (size_t)n * sizeof(float));
    for (int64_t i = 0; i < pieces; i++) add_term(n, d + i * BLOCK, p, far, t + i * BLOCK, total, logs);
}

static void distances(int64_t n, float c, float *restrict z) {
    for (int64_t e = 0; e < n; e++) z[e] = distance(z[e], c);
}

/* u of the sum of terms, which becomes u / sum, and du/dp in `logs`. */
static void finish(int64_t n, float pieces, float p, const float *restrict far, float *restrict total,
                   float *restrict logs, float *restrict value) {
    for (int64_t e = 0; e < n; e++) {
        float mean = vlog(total[e] / pieces) / p, u = far[e] * vexp_below(mean), share = 1.0f / total[e];
        value[e] = u;
        logs[e] = u * (logs[e] * share - mean) / p;
        total[e] = u * share;
    }
}

/* `t`, the terms, become g times du/dz_i = (d_i / u)^(p - 1) / pieces, with the sign of z_i - c_i. */
static void slopes_of(int64_t n, const float *restrict d, const float *restrict z, float c, const float *restrict g,
                      const float *restrict share, float *restrict t) {
    for (int64_t e = 0; e < n; e++) {
        float away = z[e] - c, slope = copysignf(t[e] * share[e] / d[e], away);
        t[e] = g[e] * (fabsf(away) < SMALLEST ? 0.0f : slope);
    }
}

/* What a block of norms is worked out in; `d` and `t` hold a BLOCK for each piece. */
typedef struct {
    float *d, *t, far[BLOCK], total[BLOCK], logs[BLOCK], value[BLOCK];
} NormRoom;

/* The values of a block, and with them u / sum of terms in `total` and du/dp in `logs`. */
static void norm_block(Block b, const float *x, const float *c, int64_t pieces, int64_t m, NormRoom *o) {
    int64_t n = b.rows * b.size;
    for (int64_t i = 0; i < pieces; i++) {
        gather(b, x, i, pieces, m, o->d + i * BLOCK);
        distances(n, c[i], o->d + i * BLOCK);
    }
    if (pieces == 2)
        two_terms(n, o->d, o->d + BLOCK, c[2], o->far, o->t, o->t + BLOCK, o->total, o->logs);
    else
        all_terms(n, o->d, pieces, c[pieces], o->far, o->t, o->total, o->logs);
    finish(n, (float)pieces, c[pieces], o->far, o->total, o->logs, o->value);
}

/* (1 / pieces sum_i |z_i - c_i|^p)^(1 / p) with c = c_1 .. c_pieces, p of each set. */
void evoact_norm(const float *x, const float *c, float *y, int64_t sets, int64_t rows, int64_t pieces, int64_t m,
                 int threads) {
    int64_t blocks = count_blocks(rows, m, BLOCK);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        NormRoom room = {.d = malloc((size_t)(2 * pieces * BLOCK) * sizeof(float))};
        room.t = room.d + pieces * BLOCK;
#pragma omp for schedule(static)
        for (int64_t q = 0; q < sets * blocks; q++) {
            int64_t s = q / blocks;
            Block b = block_at(q % blocks, rows, m, BLOCK);
            norm_block(b, x + s * rows * pieces * m, c + s * (pieces + 1), pieces, m, &room);
            scatter(b, room.value, 0, 1, m, y + s * rows * m);
        }
        free(room.d);
    }
}

/* All is worked out again: to keep the slopes would take more time in traffic, and memory. */
void evoact_norm_backward(const float *g, const float *x, const float *c, float *gx, float *gc, int64_t sets, int64_t rows,
                          int64_t pieces, int64_t m, int threads) {
    int64_t blocks = count_blocks(rows, m, BLOCK);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        NormRoom room = {.d = malloc((size_t)(2 * pieces * BLOCK) * sizeof(float))};
        room.t = room.d + pieces * BLOCK;
        float from[BLOCK];
#pragma omp for schedule(static)
        for (int64_t s = 0; s < sets; s++) {
            const float *cs = c + s * (pieces + 1), *xs = x + s * rows * pieces * m;
            float *to = gc + s * (pieces + 1);
            for (int64_t i = 0; i <= pieces; i++) to[i] = 0.0f;
            for (int64_t k = 0; k < blocks; k++) {
                Block b = block_at(k, rows, m, BLOCK);
                int64_t n = b.rows * b.size;
                norm_block(b, xs, cs, pieces, m, &room);
                gather(b, g + s * rows * m, 0, 1, m, from);
                for (int64_t i = 0; i < pieces; i++) {
                    float *t = room.t + i * BLOCK;
                    gather(b, xs, i, pieces, m, room.value);
                    slopes_of(n, room.d + i * BLOCK, room.value, cs[i], from, room.total, t);
                    to[i] -= total_of(n, t);
                    scatter(b, t, i, pieces, m, gx + s * rows * pieces * m);
                }
                to[pieces] += dot(n, from, room.logs);
            }
        }
        free(room.d);
    }
}

/* f(sum_i v_i f(z_i) + d) with c = v_1 .. v_pieces, d of each set. */
void evoact_network(const float *x, const float *c, const Term *f, float *y, int64_t sets, int64_t rows, int64_t pieces,
                    int64_t m, int threads) {
    int64_t blocks = count_blocks(rows, m, TERM_PIECE);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < sets * blocks; q++) {
        int64_t s = q / blocks;
        Block b = block_at(q % blocks, rows, m, TERM_PIECE);
        int64_t n = b.rows * b.size;
        const float *cs = c + s * (pieces + 1), *xs = x + s * rows * pieces * m;
        float z[TERM_PIECE], value[TERM_PIECE], sum[TERM_PIECE];
        for (int64_t e = 0; e < n; e++) sum[e] = cs[pieces];
        for (int64_t i = 0; i < pieces; i++) {
            gather(b, xs, i, pieces, m, z);
            evoact_term_value(f, (int)n, z, value);
            for (int64_t e = 0; e < n; e++) sum[e] = FMA(cs[i], value[e], sum[e]);
        }
        evoact_term_value(f, (int)n, sum, value);
        scatter(b, value, 0, 1, m, y + s * rows * m);
    }
}

static void network_block(Block b, const float *g, const float *x, const float *c, const Term *f, float *gx, float *gc,
                          int64_t pieces, int64_t m, float *values) {
    int64_t n = b.rows * b.size;
    float *slopes = values + pieces * TERM_PIECE, z[TERM_PIECE], sum[TERM_PIECE], outer[TERM_PIECE];
    for (int64_t e = 0; e < n; e++) sum[e] = c[pieces];
    for (int64_t i = 0; i < pieces; i++) {
        float *value = values + i * TERM_PIECE;
        gather(b, x, i, pieces, m, z);
        evoact_term(f, (int)n, z, value, slopes + i * TERM_PIECE);
        for (int64_t e = 0; e < n; e++) sum[e] = FMA(c[i], value[e], sum[e]);
    }
    evoact_term(f, (int)n, sum, z, outer);
    gather(b, g, 0, 1, m, z);
    for (int64_t e = 0; e < n; e++) outer[e] *= z[e];
    gc[pieces] += total_of(n, outer);
    for (int64_t i = 0; i < pieces; i++) {
        float *slope = slopes + i * TERM_PIECE;
        gc[i] += dot(n, outer, values + i * TERM_PIECE);
        for (int64_t e = 0; e < n; e++) slope[e] = c[i] * outer[e] * slope[e];
        scatter(b, slope, i, pieces, m, gx);
    }
}

void evoact_network_backward(const float *g, const float *x, const float *c, const Term *f, float *gx, float *gc,
                             int64_t sets, int64_t rows, int64_t pieces, int64_t m, int threads) {
    int64_t blocks = count_blocks(rows, m, TERM_PIECE);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *values = malloc((size_t)(2 * pieces * TERM_PIECE) * sizeof(float));
#pragma omp for schedule(static)
        for (int64_t s = 0; s < sets; s++) {
            const float *gs = g + s * rows * m, *xs = x + s * rows * pieces * m, *cs = c + s * (pieces + 1);
            float *to = gx + s * rows * pieces * m, *sums = gc + s * (pieces + 1);
            for (int64_t i = 0; i <= pieces; i++) sums[i] = 0.0f;
            for (int64_t k = 0; k < blocks; k++)
                network_block(block_at(k, rows, m, TERM_PIECE), gs, xs, cs, f, to, sums, pieces, m, values);
        }
        free(values);
    }
}
