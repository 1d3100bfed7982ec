/* Products of small matrices, member by member: y = w x + b, and its gradients.
 *
 * Every number of a result is one chain of fused multiply-adds in the order of the summed dimension, wherever it lies and
 * whatever the tiles are. A panel of the right factor, as wide as a tile, is copied so that it stays in the first-level cache
 * (Goto & van de Geijn 2008); the left factor is read where it lies. In bf16 both are copied, two numbers of the summed
 * dimension in one, rounded to the nearest even; sums are in single precision. */
#include "dense.h"

/* Products are added by one fused operation where the processor can, alike in every variant of a loop. */
#ifdef __clang__
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif

#include <stdlib.h>

#include "shares.h"
#include "vectors.h"

#define ROWS 6 /* with VECTORS they fill the registers */
#define VECTORS 4
#define WIDE (VECTORS * LANES)
#define DEEP 112 /* of the summed dimension at a time */

int64_t evoact_dense_room(int64_t most, int half) {
    return DEEP * WIDE + LANES + (half ? DEEP * (most + LANES) : 0);
}

/* rows x vectors of a result from the left factor a[row * a_row + k * a_k] and the panel, [deep, WIDE]. Sums start at
 * those of `y` if it is to go on, else at `bias` or 0. The last vector has `last` numbers. */
INLINE void tile(int rows, int vectors, int half, int64_t deep, const float *a, int64_t a_row, int64_t a_k, const float *panel,
                 const float *bias, int go_on, float *y, int64_t y_row, int64_t last) {
    V sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            const float *from = y + r * y_row + v * LANES;
            if (go_on)
                sum[r][v] = v < vectors - 1 || last == LANES ? load(from) : load_part(from, last);
            else
                sum[r][v] = (bias ? bias[r] : 0.0f) - (V){0};
        }
    for (int64_t k = 0; k < deep; k++) {
        V x[VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) x[v] = *(const V *)(panel + k * WIDE + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) sum[r][v] = add_product(sum[r][v], x[v], a[r * a_row + k * a_k] - (V){0}, half);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            float *to = y + r * y_row + v * LANES;
            if (v < vectors - 1 || last == LANES)
                store(to, sum[r][v]);
            else
                store_part(to, sum[r][v], last);
        }
}

typedef void (*Tile)(int64_t deep, const float *a, int64_t a_row, int64_t a_k, const float *panel, const float *bias,
                     int go_on, float *y, int64_t y_row, int64_t last);
#define TILE(r, v, h)                                                                                                  \
    static void tile_##r##_##v##_##h(int64_t deep, const float *a, int64_t a_row, int64_t a_k, const float *panel,     \
                                     const float *bias, int go_on, float *y, int64_t y_row, int64_t last) {            \
        tile(r, v, h, deep, a, a_row, a_k, panel, bias, go_on, y, y_row, last);                                        \
    }
#define TILE_ROW(r, h) TILE(r, 1, h) TILE(r, 2, h) TILE(r, 3, h) TILE(r, 4, h)
#define ALL_TILES(h) TILE_ROW(1, h) TILE_ROW(2, h) TILE_ROW(3, h) TILE_ROW(4, h) TILE_ROW(5, h) TILE_ROW(6, h)
ALL_TILES(0)
ALL_TILES(1)
#define NAMES(r, h) {tile_##r##_1_##h, tile_##r##_2_##h, tile_##r##_3_##h, tile_##r##_4_##h}
#define ALL_NAMES(h) {NAMES(1, h), NAMES(2, h), NAMES(3, h), NAMES(4, h), NAMES(5, h), NAMES(6, h)}
static const Tile TILE_OF[2][ROWS][VECTORS] = {ALL_NAMES(0), ALL_NAMES(1)};

/* Turns LANES vectors: number j of vector i becomes number i of vector j. */
INLINE void turn(V v[LANES]) {
    Lane low, high;
    for (int i = 0; i < LANES; i++) {
        low[i] = i / 2 + i % 2 * LANES;
        high[i] = LANES / 2 + i / 2 + i % 2 * LANES;
    }
#pragma GCC unroll 4
    for (int stage = 1; stage < LANES; stage *= 2) {
        V w[LANES];
#pragma GCC unroll 16
        for (int i = 0; i < LANES / 2; i++) {
#ifdef __clang__
            for (int j = 0; j < LANES; j++) {
                w[2 * i][j] = j % 2 ? v[i + LANES / 2][j / 2] : v[i][j / 2];
                w[2 * i + 1][j] = j % 2 ? v[i + LANES / 2][LANES / 2 + j / 2] : v[i][LANES / 2 + j / 2];
            }
#else
            w[2 * i] = __builtin_shuffle(v[i], v[i + LANES / 2], low);
            w[2 * i + 1] = __builtin_shuffle(v[i], v[i + LANES / 2], high);
#endif
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) v[i] = w[i];
    }
}

/* A panel [deep, WIDE] of a right factor: `wide` <= WIDE columns of b[k * stride + column], 0 beside them. */
static void copy_panel(int64_t deep, int64_t wide, const float *b, int64_t stride, float *panel) {
    for (int64_t k = 0; k < deep; k++, b += stride, panel += WIDE) {
        if (wide == WIDE) {
            for (int v = 0; v < VECTORS; v++) store(panel + v * LANES, load(b + v * LANES));
            continue;
        }
        int64_t whole = wide / LANES * LANES;
        for (int64_t i = 0; i < whole; i += LANES) store(panel + i, load(b + i));
        if (whole < wide) store(panel + whole, load_part(b + whole, wide - whole));
    }
}

/* The same of b[column * stride + k]. */
static void turn_panel(int64_t deep, int64_t wide, const float *b, int64_t stride, float *panel) {
    for (int64_t i = 0; i < wide; i += LANES)
        for (int64_t k = 0; k < deep; k += LANES) {
            int64_t columns = least(wide - i, LANES), some = least(deep - k, LANES);
            V v[LANES];
            const float *from = b + i * stride + k;
            if (columns == LANES && some == LANES)
#pragma GCC unroll 16
                for (int j = 0; j < LANES; j++) v[j] = load(from + j * stride);
            else
                for (int j = 0; j < LANES; j++) v[j] = j < columns ? load_part(from + j * stride, some) : (V){0};
            turn(v);
            if (some == LANES)
#pragma GCC unroll 16
                for (int j = 0; j < LANES; j++) *(V *)(panel + (k + j) * WIDE + i) = v[j];
            else
                for (int j = 0; j < some; j++) *(V *)(panel + (k + j) * WIDE + i) = v[j];
        }
}

/* Pairs [(deep + 1) / 2, `apart`] of b[k * stride + column], two k in each. */
static void pair_rows(int64_t deep, int64_t wide, const float *b, int64_t stride, float *pairs, int64_t apart) {
    for (int64_t k = 0; k < deep; k += 2, b += 2 * stride, pairs += apart)
        for (int64_t i = 0; i < wide; i += LANES) {
            int64_t some = least(wide - i, LANES);
            V low = some == LANES ? load(b + i) : load_part(b + i, some), high = {0};
            if (k + 1 < deep) high = some == LANES ? load(b + stride + i) : load_part(b + stride + i, some);
            store(pairs + i, pairs_of(low, high));
        }
}

/* The same, as a panel, of b[column * stride + k]. */
static void turn_pairs(int64_t deep, int64_t wide, const float *b, int64_t stride, float *panel) {
    for (int64_t i = 0; i < wide; i += LANES)
        for (int64_t k = 0; k < deep; k += 2 * LANES) {
            V v[LANES];
            for (int64_t j = 0; j < LANES; j++)
                v[j] = i + j < wide ? pairs_along(b + (i + j) * stride + k, deep - k) : (V){0};
            turn(v);
            for (int64_t j = 0; j < LANES && k + 2 * j < deep; j++) *(V *)(panel + (k / 2 + j) * WIDE + i) = v[j];
        }
}

/* Pairs [rows, DEEP] of a[row * stride + k]. */
static void pair_columns(int64_t rows, int64_t deep, const float *a, int64_t stride, float *pairs) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < deep; k += 2 * LANES)
            store(pairs + r * DEEP + k / 2, pairs_along(a + r * stride + k, deep - k));
}

/* y[rows, columns] = a b + bias with a[row * a_row + k * a_k] and b[k * b_k + column * b_column], in each of which one of the
 * strides is 1. */
static void multiply(int half, int64_t rows, int64_t columns, int64_t depth, const float *a, int64_t a_row, int64_t a_k,
                     const float *b, int64_t b_k, int64_t b_column, const float *bias, float *y, float *room) {
    float *panel = aligned(room), *left = panel + DEEP * WIDE;
    int64_t blocks = (rows + ROWS - 1) / ROWS, most = half ? 2 * DEEP : DEEP, padded = (rows + LANES - 1) / LANES * LANES;
    if (!depth)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < columns; i++) y[r * columns + i] = bias ? bias[r] : 0.0f;
    for (int64_t k = 0; k < depth; k += most) {
        int64_t deep = least(depth - k, most), row_step = a_row, step = a_k;
        const float *from = a + k * a_k;
        if (half) {
            if (a_k == 1)
                pair_columns(rows, deep, from, a_row, left);
            else
                pair_rows(deep, rows, from, a_k, left, padded);
            row_step = a_k == 1 ? DEEP : 1, step = a_k == 1 ? 1 : padded, from = left;
        }
        for (int64_t i = 0; i < columns; i += WIDE) {
            int64_t wide = least(columns - i, WIDE), vectors = (wide + LANES - 1) / LANES;
            const float *right = b + k * b_k + i * b_column;
            if (b_column == 1)
                half ? pair_rows(deep, wide, right, b_k, panel, WIDE) : copy_panel(deep, wide, right, b_k, panel);
            else
                half ? turn_pairs(deep, wide, right, b_column, panel) : turn_panel(deep, wide, right, b_column, panel);
            for (int64_t q = 0; q < blocks; q++) {
                int64_t r = q * rows / blocks, some = (q + 1) * rows / blocks - r;
                TILE_OF[half][some - 1][vectors - 1](half ? (deep + 1) / 2 : deep, from + r * row_step, row_step, step, panel,
                                                     bias ? bias + r : NULL, k > 0, y + r * columns + i, columns,
                                                     wide - (vectors - 1) * LANES);
            }
        }
    }
}

void evoact_dense_values(int half, const float *w, const float *x, int across, const float *bias, float *y, int64_t n, int64_t d,
                         int64_t m, float *room) {
    multiply(half, n, m, d, w, d, 1, x, across ? 1 : m, across ? d : 1, bias, y, room);
}

void evoact_dense_inputs(int half, const float *w, const float *g, float *gx, int64_t n, int64_t d, int64_t m, float *room) {
    multiply(half, d, m, n, w, 1, d, g, m, 1, NULL, gx, room);
}

void evoact_dense_weights(int half, const float *g, const float *x, int across, float *gw, int64_t n, int64_t d, int64_t m,
                          float *room) {
    multiply(half, n, d, m, g, m, 1, x, across ? d : 1, across ? 1 : m, NULL, gw, room);
}

void evoact_dense_biases(const float *g, float *gb, int64_t n, int64_t m) {
    for (int64_t r = 0; r < n; r++, g += m) {
        V sum = {0};
        int64_t i = 0;
        for (; i + LANES <= m; i += LANES) sum += load(g + i);
        if (i < m) sum += load_part(g + i, m - i);
        gb[r] = lanes_total(sum);
    }
}

/* --- gradients for one row of each neuron ---------------------------------------------------------------------------
 * Rows of factors are copied so that they are aligned and stay in the first-level cache. */

#define SPAN 7         /* vectors of a row at a time */
#define NEURONS 4096   /* numbers of the weights of some neurons, at least those of one */
#define EXAMPLES 64    /* at most; bits of a mask */
#define BROAD (SPAN * LANES)

int64_t evoact_picked_room(int64_t pieces, int64_t m) {
    int64_t weights = NEURONS + pieces * BROAD, inputs = EXAMPLES * BROAD;
    return (weights > inputs ? weights : inputs) + m * BROAD + LANES;
}

/* Rows [rows, vectors * LANES] of from[row * stride + column], 0 beside its `wide` columns. */
static void copy_rows(int64_t rows, int64_t vectors, int64_t wide, const float *from, int64_t stride, float *to) {
    for (int64_t r = 0; r < rows; r++, from += stride)
        for (int64_t i = 0; i < vectors * LANES; i += LANES, to += LANES)
            store(to, wide - i < LANES ? load_part(from + i, wide - i) : load(from + i));
}

/* to[column * to_stride + row] of from[row * stride + column]; rows of `to` are filled up with 0 to whole vectors if it has room
 * for them. */
static void turn_rows(int64_t rows, int64_t columns, const float *from, int64_t stride, float *to, int64_t to_stride, int full) {
    for (int64_t r = 0; r < rows; r += LANES)
        for (int64_t i = 0; i < columns; i += LANES) {
            int64_t some = least(rows - r, LANES), wide = least(columns - i, LANES);
            V v[LANES];
            for (int64_t j = 0; j < LANES; j++) v[j] = j < some ? load_part(from + (r + j) * stride + i, wide) : (V){0};
            turn(v);
            for (int64_t j = 0; j < wide; j++) store_part(to + (i + j) * to_stride + r, v[j], full ? LANES : some);
        }
}

/* sum += a * x of rows of so many vectors. */
INLINE void add_row(int vectors, V *sum, float a, const float *x) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) sum[v] = add_product(sum[v], *(const V *)(x + v * LANES), a - (V){0}, 0);
}

/* gx[m, vectors * LANES] += the rows w[n, pieces, vectors * LANES] that are picked, times g. */
INLINE void add_picked_inputs(int vectors, const float *w, const float *g, const uint8_t *which, float *gx,
                              int64_t n, int64_t pieces, int64_t m) {
    for (int64_t e = 0; e < m; e++, gx += vectors * LANES) {
        V sum[SPAN];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[v] = *(const V *)(gx + v * LANES);
        for (int64_t r = 0; r < n; r++)
            add_row(vectors, sum, g[r * m + e], w + (r * pieces + which[r * m + e]) * vectors * LANES);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) *(V *)(gx + v * LANES) = sum[v];
    }
}

/* Which of up to EXAMPLES examples have piece p. */
INLINE uint64_t those(const uint8_t *which, int64_t n, int64_t p) {
#ifdef __AVX512BW__
    __mmask64 some = n < 64 ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0;
    return _mm512_mask_cmpeq_epi8_mask(some, _mm512_maskz_loadu_epi8(some, which), _mm512_set1_epi8((char)p));
#endif
    uint64_t result = 0;
    for (int64_t e = 0; e < n; e++) result |= (uint64_t)(which[e] == p) << e;
    return result;
}

/* A row of gw from the rows x[.., vectors * LANES] of those examples, going on if that was begun. */
INLINE void picked_weights(int vectors, const float *g, uint64_t examples, const float *x, int go_on, float *gw, int64_t last) {
    V sum[SPAN];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++)
        sum[v] = !go_on ? (V){0} : v < vectors - 1 ? load(gw + v * LANES) : load_part(gw + v * LANES, last);
    for (; examples; examples &= examples - 1) {
        int64_t e = __builtin_ctzll(examples);
        add_row(vectors, sum, g[e], x + e * vectors * LANES);
    }
#pragma GCC unroll 8
    for (int v = 0; v < vectors - 1; v++) store(gw + v * LANES, sum[v]);
    store_part(gw + (vectors - 1) * LANES, sum[vectors - 1], last);
}

/* CALL with the number of vectors as a constant. */
#define WITH_VECTORS(vectors, CALL)                                                                                     \
    switch (vectors) {                                                                                                 \
        case 1: CALL(1); break;                                                                                        \
        case 2: CALL(2); break;                                                                                        \
        case 3: CALL(3); break;                                                                                        \
        case 4: CALL(4); break;                                                                                        \
        case 5: CALL(5); break;                                                                                        \
        case 6: CALL(6); break;                                                                                        \
        default: CALL(7);                                                                                              \
    }

/* Where span number s of d columns begins, and how many vectors and columns it has. */
typedef struct {
    int64_t start, vectors, wide;
} Span;

static int64_t spans_of(int64_t d) { return (d + BROAD - 1) / BROAD; }

static Span span_of(int64_t s, int64_t d) {
    int64_t all = (d + LANES - 1) / LANES, from = s * all / spans_of(d), to = (s + 1) * all / spans_of(d);
    return (Span){from * LANES, to - from, (to < all ? to * LANES : d) - from * LANES};
}

void evoact_picked_inputs(const float *w, const float *g, const uint8_t *which, float *gx, int64_t n,
                          int64_t pieces, int64_t d, int64_t m, float *room) {
    float *sums = aligned(room), *rows = sums + m * BROAD;
    for (int64_t s = 0; s < spans_of(d); s++) {
        Span span = span_of(s, d);
        int64_t vectors = span.vectors, most = NEURONS / (pieces * vectors * LANES) + 1;
        memset(sums, 0, (size_t)(m * vectors * LANES) * sizeof(float));
        for (int64_t r = 0; r < n; r += most) {
            int64_t some = least(n - r, most);
            copy_rows(some * pieces, vectors, span.wide, w + r * pieces * d + span.start, d, rows);
#define INPUTS(v) add_picked_inputs(v, rows, g + r * m, which + r * m, sums, some, pieces, m)
            WITH_VECTORS(vectors, INPUTS)
        }
        turn_rows(m, span.wide, sums, vectors * LANES, gx + span.start * m, m, 0);
    }
}

void evoact_picked_weights(const float *g, const uint8_t *which, const float *x, int across, float *gw, int64_t n,
                           int64_t pieces, int64_t d, int64_t m, float *room) {
    float *rows = aligned(room);
    int64_t parts = (m + EXAMPLES - 1) / EXAMPLES;
    for (int64_t s = 0; s < spans_of(d) * parts; s++) {
        Span span = span_of(s / parts, d);
        int64_t vectors = span.vectors, e = s % parts * m / parts, some = (s % parts + 1) * m / parts - e;
        int64_t last = span.wide - (vectors - 1) * LANES;
        if (across)
            copy_rows(some, vectors, span.wide, x + e * d + span.start, d, rows);
        else
            turn_rows(span.wide, some, x + span.start * m + e, m, rows, vectors * LANES, 1);
        for (int64_t r = 0; r < n * pieces; r++) {
            uint64_t examples = those(which + r / pieces * m + e, some, r % pieces);
#define WEIGHTS(v) picked_weights(v, g + r / pieces * m + e, examples, rows, e > 0, gw + r * d + span.start, last)
            WITH_VECTORS(vectors, WEIGHTS)
        }
    }
}

void evoact_picked_biases(const float *g, const uint8_t *which, float *gb, int64_t n, int64_t pieces, int64_t m) {
    for (int64_t r = 0; r < n * pieces; r++) {
        V sum = {0};
        for (int64_t e = 0; e < m; e += EXAMPLES) {
            int64_t some = least(m - e, EXAMPLES);
            uint64_t examples = those(which + r / pieces * m + e, some, r % pieces);
            for (int64_t i = 0; i < some; i += LANES) sum += load_some(g + r / pieces * m + e + i, (uint32_t)(examples >> i));
        }
        gb[r] = lanes_total(sum);
    }
}

/* All members': w[members, n, d], x[1 or members, d, m], `x_member` apart. */
int evoact_dense(const float *w, const float *x, int64_t x_member, int across, const float *bias, float *y, int64_t members,
                 int64_t n, int64_t d, int64_t m, int half, int threads) {
    int64_t parts = members < threads ? threads : 1; /* of a member's rows */
    int64_t all = members * parts, size = evoact_dense_room(n, half);
    float *rooms = malloc((size_t)(threads * size) * sizeof(float));
    if (!rooms) return NO_ROOM;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        float *room = rooms + t * size;
        for (int64_t q = share(all, t, threads); q < share(all, t + 1, threads); q++) {
            int64_t k = q / parts, first = q % parts * n / parts, rows = (q % parts + 1) * n / parts - first;
            evoact_dense_values(half, w + (k * n + first) * d, x + k * x_member, across, bias ? bias + k * n + first : NULL,
                                y + (k * n + first) * m, rows, d, m, room);
        }
    }
    free(rooms);
    return 0;
}

/* gx, gw and gb may be NULL. */
int evoact_dense_backward(const float *g, const float *w, const float *x, int64_t x_member, int across, float *gx, float *gw,
                          float *gb, int64_t members, int64_t n, int64_t d, int64_t m, int half, int threads) {
    int64_t parts = members < threads ? threads : 1;
    int64_t all = members * parts, size = evoact_dense_room(n > d ? n : d, half);
    float *rooms = malloc((size_t)(threads * size) * sizeof(float));
    if (!rooms) return NO_ROOM;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        float *room = rooms + t * size;
        for (int64_t q = share(all, t, threads); q < share(all, t + 1, threads); q++) {
            int64_t k = q / parts, p = q % parts, first = p * n / parts, rows = (p + 1) * n / parts - first;
            const float *gs = g + k * n * m;
            if (gx) {
                int64_t at = p * d / parts, some = (p + 1) * d / parts - at;
                multiply(half, some, m, n, w + k * n * d + at, 1, d, gs, m, 1, NULL, gx + (k * d + at) * m, room);
            }
            if (gw)
                evoact_dense_weights(half, gs + first * m, x + k * x_member, across, gw + (k * n + first) * d, rows, d, m, room);
            if (gb) evoact_dense_biases(gs + first * m, gb + k * n + first, rows, m);
        }
    }
    free(rooms);
    return 0;
}
