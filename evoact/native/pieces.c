/* Units of several pre-activations a neuron, x[rows, pieces, m]: neurons of a set share its parameters. What a set's result is
 * depends on that set alone.
 *
 * Rows are worked through in blocks of whole rows, or of parts of one if rows are long: the pieces of a block are laid side
 * by side, so that short rows fill vectors, too. With a value goes all that its gradients ask for. */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>

#include "shares.h"
#include "units.h"
#include "vector_math.h"
#include "vectors.h"

#define BLOCK TERM_PIECE /* elements of a piece */
#define FULL 16          /* so many at once: what fills up a block is worked out, too, instead of one by one */

/* Rows of x[neurons, apart, m], those in a list if there is one. */
typedef struct {
    const int32_t *list;
    int64_t apart, m;
} Rows;

typedef struct {
    int64_t row, rows, start, size; /* columns start .. start + size of so many rows */
} Block;

/* Block number b of `rows` rows. */
static Block block_at(int64_t b, int64_t rows, int64_t m) {
    if (m > BLOCK) {
        int64_t parts = (m + BLOCK - 1) / BLOCK, start = b % parts * BLOCK;
        return (Block){b / parts, 1, start, least(m - start, BLOCK)};
    }
    int64_t together = BLOCK / m, row = b * together;
    return (Block){row, least(rows - row, together), 0, m};
}

static int64_t count_blocks(int64_t rows, int64_t m) {
    if (!m) return 0;
    return m > BLOCK ? rows * ((m + BLOCK - 1) / BLOCK) : (rows + BLOCK / m - 1) / (BLOCK / m);
}

static int64_t place(Block b, Rows at, int64_t r, int64_t p) {
    int64_t row = at.list ? at.list[b.row + r] : b.row + r;
    return (row * at.apart + p) * at.m + b.start;
}

static void copy(int64_t n, const float *from, float *to) {
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) store(to + i, load(from + i));
    if (i < n) store_part(to + i, load_part(from + i, n - i), n - i);
}

/* Array number p of a block's rows, from and to x. */
static void gather(Block b, Rows at, int64_t p, const float *x, float *to) {
    for (int64_t r = 0; r < b.rows; r++) copy(b.size, x + place(b, at, r, p), to + r * b.size);
}

static void scatter(Block b, Rows at, int64_t p, const float *from, float *x) {
    for (int64_t r = 0; r < b.rows; r++) copy(b.size, from + r * b.size, x + place(b, at, r, p));
}

/* What a block is worked out in: `z` [pieces, BLOCK] are the pieces, then their slopes, then their gradients; `kept` behind them
 * is what the gradients of parameters need. */
typedef struct {
    float *value, *g, *room, *z, *kept;
} Work;

enum { SCRATCH = 3 };

static int is_flat(const Unit *u) { return u->kind == RATIONAL || u->kind == HINGES; }

/* Floats of a block that its gradients need: slopes, and one array, or one for each piece and one. */
static int64_t block_kept(const Unit *u) { return (u->pieces + (u->kind == NETWORK ? u->pieces : 0) + 1) * BLOCK; }

/* `room` and, for the block to be `kept` in, aligned memory. */
static Work work_in(float *room, float *kept, int64_t pieces) {
    room = aligned(room);
    return (Work){room, room + BLOCK, room + 2 * BLOCK, kept, kept + pieces * BLOCK};
}

int64_t evoact_unit_room(const Unit *u, int64_t m) {
    return is_flat(u) ? 3 * u->rows * m : (2 + SCRATCH + u->pieces) * BLOCK + FULL;
}

int64_t evoact_unit_kept(const Unit *u, int64_t m) {
    if (is_flat(u)) return 0;
    if (u->kind == LARGEST) return (u->rows * m + 3) / 4;
    return count_blocks(u->rows, m) * block_kept(u) + FULL;
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

INLINE float larger(float a, float b) { return of_bits(bits_of(a) > bits_of(b) ? bits_of(a) : bits_of(b)); }

/* How far it is to the centre. */
INLINE float distance(float away) { return larger(fabsf(away), SMALLEST); }

/* Of a distance the slope with the sign of what is away; on the centre there is none. */
INLINE float signed_slope(float away, float slope) { return fabsf(away) < SMALLEST ? 0.0f : copysignf(slope, away); }

/* e^x for x <= 0, at least the smallest normal number. */
INLINE float vexp_below(float x) {
    float power, e = reduced_expm1(limited(x, 87.33f), 127.0f, &power);
    return FMA(e, power, power);
}

static void subtract(int64_t n, float c, float *restrict z) {
    for (int64_t e = 0; e < n; e++) z[e] -= c;
}

/* With distances d_i, the farthest D, r_i = d_i / D, t_i = r_i^(p - 1), and T the sum of r_i t_i: u = D s for s = (T /
 * pieces)^(1 / p), du/dd_i = t_i s / T, and du/dp = u (sum_i r_i t_i log(r_i) / T - log(s)) / p. Of two pieces the farthest has r
 * = 1. */
static void norm_of_two(int64_t n, float p, float *restrict z, float *restrict other, float *restrict value,
                        float *restrict of_p) {
    float share = 1.0f / p;
    for (int64_t e = 0; e < n; e++) {
        float a = distance(z[e]), b = distance(other[e]), far = larger(a, b);
        int32_t first = bits_of(a) > bits_of(b);
        float ratio = (first ? b : a) / far, log = vlog(ratio), t = vexp_below((p - 1.0f) * log), term = ratio * t;
        float total = 1.0f + term, part = 1.0f / total, mean = vlog(0.5f * total) * share, s = vexp_below(mean);
        float u = far * s, slope = s * part;
        value[e] = u;
        of_p[e] = u * (term * log * part - mean) * share;
        float near = slope * t;
        z[e] = signed_slope(z[e], first ? slope : near);
        other[e] = signed_slope(other[e], first ? near : slope);
    }
}

static void farther(int64_t n, const float *restrict z, float *restrict far) {
    for (int64_t e = 0; e < n; e++) far[e] = larger(distance(z[e]), far[e]);
}

static void add_term(int64_t n, float p, const float *restrict z, const float *restrict over_far, float *restrict t,
                     float *restrict total, float *restrict logs) {
    for (int64_t e = 0; e < n; e++) {
        float ratio = distance(z[e]) * over_far[e], log = vlog(ratio), power = vexp_below((p - 1.0f) * log);
        t[e] = power;
        total[e] = FMA(ratio, power, total[e]);
        logs[e] = FMA(ratio * power, log, logs[e]);
    }
}

/* The norm and du/dp, which replaces the logarithms; s / T replaces the sum T. */
static void finish(int64_t n, float pieces, float p, const float *restrict far, float *restrict total, float *restrict logs,
                   float *restrict value) {
    float share = 1.0f / p, part = 1.0f / pieces;
    for (int64_t e = 0; e < n; e++) {
        float mean = vlog(total[e] * part) * share, s = vexp_below(mean), u = far[e] * s;
        value[e] = u;
        logs[e] = u * (logs[e] / total[e] - mean) * share;
        total[e] = s / total[e];
    }
}

static void slopes_of(int64_t n, const float *restrict t, const float *restrict scale, float *restrict z) {
    for (int64_t e = 0; e < n; e++) z[e] = signed_slope(z[e], t[e] * scale[e]);
}

static void norm_block(int64_t n, int64_t pieces, const float *c, Work w) {
    float p = c[pieces], *far = w.room, *over_far = far + BLOCK, *total = over_far + BLOCK, *t = total + BLOCK;
    for (int64_t i = 0; i < pieces; i++) subtract(n, c[i], w.z + i * BLOCK);
    if (pieces == 2) {
        norm_of_two(n, p, w.z, w.z + BLOCK, w.value, w.kept);
        return;
    }
    memset(far, 0, (size_t)n * sizeof(float));
    for (int64_t i = 0; i < pieces; i++) farther(n, w.z + i * BLOCK, far);
    for (int64_t e = 0; e < n; e++) over_far[e] = 1.0f / far[e], total[e] = 0.0f, w.kept[e] = 0.0f;
    for (int64_t i = 0; i < pieces; i++) add_term(n, p, w.z + i * BLOCK, over_far, t + i * BLOCK, total, w.kept);
    finish(n, (float)pieces, p, far, total, w.kept, w.value);
    for (int64_t i = 0; i < pieces; i++) slopes_of(n, t + i * BLOCK, total, w.z + i * BLOCK);
}

static void multiply(int64_t n, const float *restrict by, float *restrict a) {
    for (int64_t e = 0; e < n; e++) a[e] *= by[e];
}

static void norm_gradients(int64_t n, int64_t pieces, float *gc, Work w) {
    for (int64_t i = 0; i < pieces; i++) {
        multiply(n, w.g, w.z + i * BLOCK);
        gc[i] -= total_of(n, w.z + i * BLOCK);
    }
    gc[pieces] += dot(n, w.g, w.kept);
}

static void add_weighted(int64_t n, float c, const float *restrict a, float *restrict sum) {
    for (int64_t e = 0; e < n; e++) sum[e] = FMA(c, a[e], sum[e]);
}

/* Piece number i of a block, filled up to whole vectors: how many numbers that are. */
static int64_t gather_piece(Block b, Rows at, int64_t i, const float *x, float *to) {
    int64_t n = b.rows * b.size, padded = (n + FULL - 1) / FULL * FULL;
    gather(b, at, i, x, to);
    memset(to + n, 0, (size_t)(padded - n) * sizeof(float));
    return padded;
}

/* `kept` becomes f(z_i) and, behind them, the slope of the outer f. */
static void network_block(const Unit *u, Block b, Rows at, const float *x, const float *c, Work w) {
    float *sum = w.room, *z = sum + BLOCK;
    int64_t n = 0;
    for (int64_t e = 0; e < BLOCK; e++) sum[e] = c[u->pieces];
    for (int64_t i = 0; i < u->pieces; i++) {
        n = gather_piece(b, at, i, x, z);
        evoact_term(&u->f, (int)n, z, w.kept + i * BLOCK, w.z + i * BLOCK);
        add_weighted(n, c[i], w.kept + i * BLOCK, sum);
    }
    evoact_term(&u->f, (int)n, sum, w.value, w.kept + u->pieces * BLOCK);
}

/* Of one piece with the weight c: its gradient replaces its slope; returns that of c. */
static float weight_gradient(int64_t n, float c, const float *restrict outer, const float *restrict value, float *restrict slope) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t e = 0; e < n; e++) {
        sum += outer[e] * value[e];
        slope[e] *= c * outer[e];
    }
    return sum;
}

static void network_gradients(int64_t n, int64_t pieces, const float *c, float *gc, Work w) {
    float *outer = w.kept + pieces * BLOCK;
    multiply(n, w.g, outer);
    gc[pieces] += total_of(n, outer);
    for (int64_t i = 0; i < pieces; i++) gc[i] += weight_gradient(n, c[i], outer, w.kept + i * BLOCK, w.z + i * BLOCK);
}

/* The value of a block, and what its gradients need. */
static void work_out(const Unit *u, Block b, Rows at, const float *x, const float *c, Work w) {
    if (u->kind == NETWORK) {
        network_block(u, b, at, x, c, w);
        return;
    }
    int64_t n = 0;
    for (int64_t i = 0; i < u->pieces; i++) n = gather_piece(b, at, i, x, w.z + i * BLOCK);
    norm_block(n, u->pieces, c, w);
}

static void go_back(const Unit *u, Block b, Rows at, const float *g, const float *c, float *gx, float *gc, Work w) {
    int64_t n = b.rows * b.size;
    gather(b, (Rows){at.list, 1, at.m}, 0, g, w.g);
    u->kind == NORM ? norm_gradients(n, u->pieces, gc, w) : network_gradients(n, u->pieces, c, gc, w);
    for (int64_t i = 0; i < u->pieces; i++) scatter(b, at, i, w.z + i * BLOCK, gx);
}

/* Room for a block, and for what it keeps behind that. */
static int64_t block_room(const Unit *u, int64_t m) { return evoact_unit_room(u, m) + block_kept(u) + FULL; }

static Work work_in_room(float *room, const Unit *u, int64_t m) {
    return work_in(room, aligned(room + evoact_unit_room(u, m)), u->pieces);
}

/* y[sets, rows, m] of x[sets, rows, pieces, m] for c[sets, pieces + 1]; NORM and NETWORK. */
int evoact_pieces(const Unit *u, const float *x, const float *c, float *y, int64_t sets, int64_t rows, int64_t pieces, int64_t m,
                  int threads) {
    int64_t blocks = count_blocks(rows, m), all = sets * blocks, size = block_room(u, m);
    float *rooms = malloc((size_t)(threads * size) * sizeof(float));
    if (!rooms) return NO_ROOM;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        Work w = work_in_room(rooms + t * size, u, m);
        for (int64_t q = share(all, t, threads); q < share(all, t + 1, threads); q++) {
            int64_t s = q / blocks;
            Block b = block_at(q % blocks, rows, m);
            work_out(u, b, (Rows){NULL, pieces, m}, x + s * rows * pieces * m, c + s * (pieces + 1), w);
            scatter(b, (Rows){NULL, 1, m}, 0, w.value, y + s * rows * m);
        }
    }
    free(rooms);
    return 0;
}

/* All is worked out again: layer by layer it would take more time in traffic, and memory, to keep it. */
int evoact_pieces_backward(const Unit *u, const float *g, const float *x, const float *c, float *gx, float *gc, int64_t sets,
                           int64_t rows, int64_t pieces, int64_t m, int threads) {
    int64_t blocks = count_blocks(rows, m), size = block_room(u, m);
    Rows at = {NULL, pieces, m};
    float *rooms = malloc((size_t)(threads * size) * sizeof(float));
    if (!rooms) return NO_ROOM;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        Work w = work_in_room(rooms + t * size, u, m);
        for (int64_t s = share(sets, t, threads); s < share(sets, t + 1, threads); s++) {
            const float *cs = c + s * (pieces + 1);
            float *sums = gc + s * (pieces + 1);
            memset(sums, 0, (size_t)(pieces + 1) * sizeof(float));
            for (int64_t k = 0; k < blocks; k++) {
                Block b = block_at(k, rows, m);
                work_out(u, b, at, x + s * rows * pieces * m, cs, w);
                go_back(u, b, at, g + s * rows * m, cs, gx + s * rows * pieces * m, sums, w);
            }
        }
    }
    free(rooms);
    return 0;
}

/* The largest of the pieces x[pieces, n], the first of equal ones, and which it is. */
static void largest(const float *restrict x, float *restrict y, uint8_t *restrict which, int64_t pieces, int64_t n) {
    for (int64_t e = 0; e < n; e++) y[e] = x[e], which[e] = 0;
    for (int64_t p = 1; p < pieces; p++)
        for (int64_t e = 0; e < n; e++) {
            float best = y[e], other = x[p * n + e];
            int32_t wins = !(other <= best) && best == best; /* NaN wins */
            y[e] = wins ? other : best;
            which[e] = wins ? (uint8_t)p : which[e];
        }
}

static void spread(const float *restrict g, const uint8_t *restrict which, float *restrict gx, int64_t pieces, int64_t n) {
    for (int64_t p = 0; p < pieces; p++)
        for (int64_t e = 0; e < n; e++) gx[p * n + e] = which[e] == p ? g[e] : 0.0f;
}

/* The largest of x[sets, pieces, n]. */
void evoact_largest(const float *x, float *y, uint8_t *which, int64_t sets, int64_t pieces, int64_t n, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++) largest(x + s * pieces * n, y + s * n, which + s * n, pieces, n);
}

void evoact_largest_backward(const float *g, const uint8_t *which, float *gx, int64_t sets, int64_t pieces, int64_t n,
                             int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t s = 0; s < sets; s++) spread(g + s * n, which + s * n, gx + s * pieces * n, pieces, n);
}

/* Those of `units.c`, for which a set's rows lie one behind the other: they are copied unless they do. */
static int lie_so(Rows at) { return !at.list && at.apart == 1; }

static void flat_values(const Unit *u, Rows at, const float *x, const float *c, float *y, float *room) {
    int64_t n = u->rows * at.m;
    Block all = {0, u->rows, 0, at.m};
    const float *z = lie_so(at) ? x : room;
    float *to = lie_so(at) ? y : room + n;
    if (!lie_so(at)) gather(all, at, 0, x, room);
    if (u->kind == RATIONAL)
        evoact_rational_values(z, c, to, n, u->top, u->bottom);
    else
        evoact_hinges_values(z, c, to, n, u->top);
    if (!lie_so(at)) scatter(all, (Rows){at.list, 1, at.m}, 0, to, y);
}

static void flat_gradients(const Unit *u, Rows at, const float *g, const float *x, const float *c, float *gx, float *gc,
                           float *room) {
    int64_t n = u->rows * at.m;
    Block all = {0, u->rows, 0, at.m};
    const float *from = lie_so(at) ? g : room, *z = lie_so(at) ? x : room + n;
    float *to = lie_so(at) ? gx : room + 2 * n;
    if (!lie_so(at)) {
        gather(all, (Rows){at.list, 1, at.m}, 0, g, room);
        gather(all, at, 0, x, room + n);
    }
    if (u->kind == RATIONAL)
        evoact_rational_gradients(from, z, c, to, gc, n, u->top, u->bottom);
    else
        evoact_hinges_gradients(from, z, c, to, gc, n, u->top);
    if (!lie_so(at)) scatter(all, at, 0, to, gx);
}

void evoact_unit_values(const Unit *u, const int32_t *list, const float *x, int64_t apart, const float *c, float *y, float *kept,
                        int64_t m, float *room) {
    Rows at = {list, apart, m}, single = {list, 1, m};
    if (is_flat(u)) {
        flat_values(u, at, x, c + u->numbers, y, room);
        return;
    }
    for (int64_t r = 0; u->kind == LARGEST && r < u->rows; r++) {
        int64_t row = list ? list[r] : r;
        largest(x + row * apart * m, y + row * m, (uint8_t *)kept + r * m, u->pieces, m);
    }
    for (int64_t k = 0; u->kind != LARGEST && k < count_blocks(u->rows, m); k++) {
        Block b = block_at(k, u->rows, m);
        Work w = work_in(room, aligned(kept) + k * block_kept(u), u->pieces);
        work_out(u, b, at, x, c + u->numbers, w);
        scatter(b, single, 0, w.value, y);
    }
}

void evoact_unit_gradients(const Unit *u, const int32_t *list, const float *g, const float *x, int64_t apart, float *kept,
                           const float *c, float *gx, float *gc, int64_t m, float *room) {
    Rows at = {list, apart, m};
    for (int64_t r = 0; r < u->rows; r++) {
        int64_t row = list ? list[r] : r;
        float *to = gx + row * apart * m;
        if (u->kind == LARGEST) spread(g + row * m, (uint8_t *)kept + r * m, to, u->pieces, m);
        memset(to + u->pieces * m, 0, (size_t)((apart - u->pieces) * m) * sizeof(float));
    }
    if (is_flat(u)) flat_gradients(u, at, g, x, c + u->numbers, gx, gc + u->numbers, room);
    if (is_flat(u) || u->kind == LARGEST) return;
    for (int64_t k = 0; k < count_blocks(u->rows, m); k++) {
        Work w = work_in(room, aligned(kept) + k * block_kept(u), u->pieces);
        go_back(u, block_at(k, u->rows, m), at, g, c + u->numbers, gx, gc + u->numbers, w);
    }
}
