/* Convolutions with few multiplications (Winograd 1980; Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural
 * Networks").
 *
 * Along a side, m results of a window of r are a product of polynomials, found from its values at POINTS = m + r - 1 points:
 * windows and images are turned into values at POINTS x POINTS points, these are multiplied as matrices [outputs, inputs] times
 * [inputs, positions], one product for each point, and results are read off sums of values. Windows of 3 give 16 results of 36
 * multiplications instead of 144, windows of 5 give 4 of 36 instead of 100. The points are 0, +-A, +-B and infinity, with
 * which errors are a few times those of plain sums. Gradients for weights are the same, the other way round.
 *
 * Vectors lie along the examples, so that turning a tile is the same few additions for each. A member's result depends on that
 * member alone. In bf16 factors are rounded before they are turned, what follows is in single precision. */
/* Products are added by one fused operation where the processor can, alike in every variant of a loop. */
#ifdef __clang__
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif

#include "convolution.h"

#include <stdlib.h>

#include "dense.h"
#include "shares.h"
#include "vectors.h"

#define POINTS 6
#define PLACES (POINTS * POINTS)
#define A2 0.5f /* squares of the points, whose product is 1 */
#define B2 2.0f
#define A 0.70710678118654752f
#define B 1.41421356237309505f
#define LARGEST 5
#define TOGETHER 32 /* tiles at most */
#define NEAR (3 << 16) /* floats of turned tiles that are worked on at a time: three quarters of a second-level cache */

/* Over the product of its differences from all other points. */
static const float OVER[POINTS] = {1.0f, -2.0f / 3, -2.0f / 3, 1.0f / 6, 1.0f / 6, 1.0f};

/* The values of the polynomial with k coefficients. */
INLINE void evaluate(int k, const V *c, V *v) {
    V even_a = c[0], even_b = c[0], odd_a = c[1], odd_b = c[1];
    if (k == 3) even_a += A2 * c[2], even_b += B2 * c[2];
    if (k == 4) even_a += A2 * c[2], even_b += B2 * c[2], odd_a += A2 * c[3], odd_b += B2 * c[3];
    if (k == 5) {
        even_a += A2 * (c[2] + A2 * c[4]), even_b += B2 * (c[2] + B2 * c[4]);
        odd_a += A2 * c[3], odd_b += B2 * c[3];
    }
    v[0] = c[0];
    v[1] = even_a + A * odd_a, v[2] = even_a - A * odd_a;
    v[3] = even_b + B * odd_b, v[4] = even_b - B * odd_b;
    v[5] = c[k - 1];
}

/* The transposed of it: k sums of values. */
INLINE void collect(int k, const V *v, V *c) {
    V sum_a = v[1] + v[2], sum_b = v[3] + v[4], less_a = A * (v[1] - v[2]), less_b = B * (v[3] - v[4]);
    c[0] = v[0] + sum_a + sum_b;
    c[1] = less_a + less_b;
    if (k > 2) c[2] = A2 * sum_a + B2 * sum_b;
    if (k > 3) c[3] = A2 * less_a + B2 * less_b;
    if (k > 4) c[4] = A2 * A2 * sum_a + B2 * B2 * sum_b;
    c[k - 1] += v[5];
}

/* What images contribute to each value. */
INLINE void spread(const V *x, V *v) {
    V even_a = x[4] - B2 * x[2], odd_a = x[3] - B2 * x[1], even_b = x[4] - A2 * x[2], odd_b = x[3] - A2 * x[1];
    v[0] = x[0] - (A2 + B2) * x[2] + x[4];
    v[1] = even_a + A * odd_a, v[2] = even_a - A * odd_a;
    v[3] = even_b + B * odd_b, v[4] = even_b - B * odd_b;
    v[5] = x[1] - (A2 + B2) * x[3] + x[5];
}

enum { EVALUATE, COLLECT, SPREAD };
#define ALL (~0ull)
#define NO_BIAS -0.0f /* which changes no number */
INLINE void turn_side(int how, int from, int to, const V *x, V *y) {
    if (how == EVALUATE) evaluate(from, x, y);
    if (how == COLLECT) collect(to, x, y);
    if (how == SPREAD) spread(x, y);
}

INLINE V rounded(V v, int half) {
#ifdef __AVX512BF16__
    if (half) return (V)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)v)), 16);
#endif
    (void)half;
    return v;
}

/* Images [channels, height, width, examples] and the tiles that lie on them. */
typedef struct {
    int64_t channels, height, width, examples;
    int64_t across;  /* tiles in a row of them */
    int64_t step;    /* from tile to tile */
    int64_t padding; /* by how much the first begins before the image */
} Grid;

/* Where a tile begins, and for each of its places whether it is on the image. */
typedef struct {
    int64_t y, x;
    int whole;
    uint64_t inside;
} Tile;

INLINE Tile tile_at(const Grid *grid, int64_t t, int side) {
    Tile tile = {t / grid->across * grid->step - grid->padding, t % grid->across * grid->step - grid->padding, 0, 0};
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            int64_t y = tile.y + i, x = tile.x + j;
            tile.inside |= (uint64_t)(y >= 0 && y < grid->height && x >= 0 && x < grid->width) << (i * side + j);
        }
    tile.whole = tile.inside == (1ull << (side * side)) - 1;
    return tile;
}

/* Turns a tile of `from` x `from` vectors, which lie `line` and `column` apart, along both sides to `to` x `to`. Places that
 * are not `inside` count as 0, those that are not `written` stay as they are. */
INLINE void turn(int how, int from, int to, int half, uint64_t inside, const float *x, int64_t line, int64_t column, float bias,
                 uint64_t written, float *y, int64_t y_line, int64_t y_column) {
    /* In two parts if one has no room in the registers. */
    int parts = from * to > 32 ? 2 : 1, rows = to / parts;
#pragma GCC unroll 2
    for (int part = 0; part < parts; part++) {
        V kept[POINTS][POINTS];
#pragma GCC unroll 8
        for (int j = 0; j < from; j++) {
            V side[POINTS], turned[POINTS];
#pragma GCC unroll 8
            for (int i = 0; i < from; i++)
                side[i] = inside >> (i * from + j) & 1 ? rounded(load(x + i * line + j * column), half) : (V){0};
            turn_side(how, from, to, side, turned);
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++) kept[i][j] = turned[part * rows + i];
        }
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            V turned[POINTS];
            int row = part * rows + i;
            turn_side(how, from, to, kept[i], turned);
#pragma GCC unroll 8
            for (int j = 0; j < to; j++)
                if (written >> (row * to + j) & 1) store(y + row * y_line + j * y_column, turned[j] + bias);
        }
    }
}


/* Tiles first .. first + n of all channels, as values [PLACES, channels, n * examples], the places `apart`. */
INLINE void turn_tiles(int how, int side, int half, const Grid *grid, const float *images, int64_t first, int64_t n,
                       float *values, int64_t apart) {
    int64_t line = grid->width * grid->examples, plane = grid->height * line;
    Tile tiles[TOGETHER];
    for (int64_t t = 0; t < n; t++) tiles[t] = tile_at(grid, first + t, side);
    for (int64_t c = 0; c < grid->channels; c++) {
        for (int64_t t = 0; t < n; t++) {
            Tile tile = tiles[t];
            const float *x = images + c * plane + tile.y * line + tile.x * grid->examples;
            float *to = values + (c * n + t) * grid->examples;
            for (int64_t b = 0; b < grid->examples; b += LANES) {
                /* The last vector reaches back. */
                int64_t at = b + LANES <= grid->examples ? b : grid->examples - LANES;
#define TURN(inside)                                                                                                   \
    turn(how, side, POINTS, half, inside, x + at, line, grid->examples, NO_BIAS, ALL, to + at, POINTS * apart, apart)
                if (tile.whole)
                    TURN(ALL);
                else
                    TURN(tile.inside);
            }
        }
    }
}

/* The results of the tiles first .. first + n, of values as above. */
INLINE void collect_tiles(int side, const Grid *grid, const float *values, int64_t apart, int64_t first, int64_t n,
                          const float *bias, float *images) {
    int64_t line = grid->width * grid->examples, plane = grid->height * line;
    Tile tiles[TOGETHER];
    for (int64_t t = 0; t < n; t++) tiles[t] = tile_at(grid, first + t, side);
    for (int64_t c = 0; c < grid->channels; c++) {
        for (int64_t t = 0; t < n; t++) {
            Tile tile = tiles[t];
            float *y = images + c * plane + tile.y * line + tile.x * grid->examples;
            const float *from = values + (c * n + t) * grid->examples;
            float some = bias ? bias[c] : 0.0f;
            for (int64_t b = 0; b < grid->examples; b += LANES) {
                int64_t at = b + LANES <= grid->examples ? b : grid->examples - LANES;
#define WRITE(inside)                                                                                                  \
    turn(COLLECT, POINTS, side, 0, ALL, from + at, POINTS * apart, apart, some, inside, y + at, line, grid->examples)
                if (tile.whole)
                    WRITE(ALL);
                else
                    WRITE(tile.inside);
            }
        }
    }
}

/* Windows [outputs, inputs, size, size] as values [PLACES, rows, channels]. */
INLINE void turn_windows(int size, const Shape *s, int backward, const float *w, float *values) {
    int64_t n = s->inputs * s->outputs, channels = backward ? s->outputs : s->inputs, area = size * size;
    for (int64_t f = 0; f < n; f += LANES) {
        float windows[LARGEST * LARGEST][LANES] = {0};
        int64_t some = least(n - f, LANES);
        for (int64_t l = 0; l < some; l++) {
            int64_t row = (f + l) / channels, channel = (f + l) % channels;
            const float *from = w + (backward ? channel * s->inputs + row : f + l) * area;
            for (int64_t a = 0; a < area; a++) windows[backward ? area - 1 - a : a][l] = from[a];
        }
        float turned[PLACES][LANES];
        turn(EVALUATE, size, POINTS, (int)s->half, ALL, windows[0], size * LANES, LANES, NO_BIAS, ALL, turned[0],
             POINTS * LANES, LANES);
        for (int p = 0; p < PLACES; p++)
            store_part(values + p * n + f, load(turned[p]) * (OVER[p / POINTS] * OVER[p % POINTS]), some);
    }
}

/* Gradients for windows of those for values [PLACES, outputs, inputs]. */
INLINE void collect_windows(int size, int64_t n, const float *values, float *gw) {
    int64_t area = size * size;
    for (int64_t f = 0; f < n; f += LANES) {
        float turned[PLACES][LANES], windows[LARGEST * LARGEST][LANES];
        int64_t some = n - f < LANES ? n - f : LANES;
        for (int p = 0; p < PLACES; p++)
            store(turned[p], load_part(values + p * n + f, some) * (OVER[p / POINTS] * OVER[p % POINTS]));
        turn(COLLECT, POINTS, size, 0, ALL, turned[0], POINTS * LANES, LANES, NO_BIAS, ALL, windows[0], size * LANES,
             LANES);
        for (int64_t l = 0; l < some; l++)
            for (int64_t a = 0; a < area; a++) gw[(f + l) * area + a] = windows[a][l];
    }
}

static int64_t step_of(const Shape *s) { return POINTS + 1 - s->size; }
static int64_t tiles_along(int64_t length, int64_t step) { return (length + step - 1) / step; }

/* Images that are read, or results, of one group. */
static Grid grid_of(const Shape *s, int backward, int results) {
    int64_t step = step_of(s), wide = backward ? s->width : s->out_width;
    Grid inputs = {s->inputs, s->height, s->width, s->examples, tiles_along(wide, step), step, 0};
    Grid outputs = {s->outputs, s->out_height, s->out_width, s->examples, tiles_along(wide, step), step, 0};
    Grid grid = backward == results ? inputs : outputs;
    if (!results) grid.padding = backward ? s->size - 1 - s->padding : s->padding;
    return grid;
}

/* Whether results of this height and width are found in less time than by a product with columns, for which each
 * multiplication counts 1, or 0.5 in bf16: products of a tile's values reach 85 % of a large one's speed, and turning a
 * channel takes as long as ten multiplications. */
static int saves(const Shape *s, int64_t height, int64_t width) {
    int64_t step = step_of(s), tiles = tiles_along(height, step) * tiles_along(width, step);
    double products = (double)(s->inputs * s->outputs), turned = 1.2 * products + 10.0 * (double)(s->inputs + s->outputs);
    double columns = (s->half ? 0.5 : 1.0) * (double)(s->size * s->size * s->out_height * s->out_width) * products;
    return PLACES * (double)tiles * turned < columns;
}

int evoact_winograd_takes(const Shape *s, int backward) {
    if (s->stride > 1 || (s->size != 3 && s->size != 5) || s->padding >= s->size || s->examples < LANES) return 0;
    return backward ? saves(s, s->height, s->width) : saves(s, s->out_height, s->out_width);
}

/* How many tiles are worked on at a time: an equal share of all. */
static int64_t tiles_together(const Shape *s, int64_t tiles) {
    int64_t most = NEAR / (PLACES * (s->inputs + s->outputs) * s->examples);
    if (most < 1) most = 1;
    if (most > TOGETHER) most = TOGETHER;
    int64_t blocks = (tiles + most - 1) / most;
    return (tiles + blocks - 1) / blocks;
}

/* From place to place: not a power of two, which would share few sets of the cache. */
static int64_t apart_of(int64_t channels, int64_t columns) { return channels * columns + LANES; }

#define FOR_SIZE(size, CALL)                                                                                           \
    if ((size) == 3)                                                                                                   \
        CALL(3);                                                                                                       \
    else                                                                                                               \
        CALL(5)
#define HALF_OR_NOT(size, CALL)                                                                                        \
    if (s->half)                                                                                                       \
        CALL(size, 1);                                                                                                 \
    else                                                                                                               \
        CALL(size, 0)

/* Floats from one beginning of a line of the cache to another, so many of them and some. */
static int64_t whole_lines(int64_t floats) { return (floats + LANES) / 16 * 16 + 16; }
static float *allocated(int64_t floats) { return aligned_alloc(64, (size_t)floats * sizeof(float)); }

int evoact_winograd(const Shape *s, int backward, const float *x, const float *w, const float *bias, float *y, int threads) {
    Grid from = grid_of(s, backward, 0), to = grid_of(s, backward, 1);
    int64_t tiles = to.across * tiles_along(to.height, to.step), together = tiles_together(s, tiles);
    int64_t blocks = (tiles + together - 1) / together, columns = together * s->examples, parts = s->members * s->groups;
    int64_t in_apart = apart_of(from.channels, columns), out_apart = apart_of(to.channels, columns);
    int64_t weights = s->inputs * s->outputs, area = s->size * s->size;
    int64_t source = from.channels * from.height * from.width * s->examples;
    int64_t target = to.channels * to.height * to.width * s->examples;
    int64_t windows = whole_lines(parts * PLACES * weights), all = parts * blocks;
    int64_t size = whole_lines(PLACES * (in_apart + out_apart) + evoact_dense_room(0, 0));
    float *turned = allocated(windows + threads * size);
    if (!turned) return NO_ROOM;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t p = 0; p < parts; p++) {
#define WINDOWS(size) turn_windows(size, s, backward, w + p * weights * area, turned + p * PLACES * weights)
            FOR_SIZE(s->size, WINDOWS);
        }
#pragma omp for schedule(static)
        for (int t = 0; t < threads; t++) {
            float *values = turned + windows + t * size;
            float *sums = values + PLACES * in_apart, *room = sums + PLACES * out_apart;
            for (int64_t i = share(all, t, threads); i < share(all, t + 1, threads); i++) {
                int64_t p = i / blocks, first = i % blocks * together, n = least(tiles - first, together);
                const float *images = x + (s->shared && !backward ? p % s->groups : p) * source;
#define SPREAD_TILES(size, half) turn_tiles(SPREAD, POINTS, half, &from, images, first, n, values, in_apart)
                HALF_OR_NOT(0, SPREAD_TILES);
                for (int64_t place = 0; place < PLACES; place++)
                    evoact_dense_values(0, turned + (p * PLACES + place) * weights, values + place * in_apart, 0, NULL,
                                        sums + place * out_apart, to.channels, from.channels, n * s->examples, room);
                const float *some = bias ? bias + p * to.channels : NULL;
#define COLLECT_TILES(size) collect_tiles(POINTS + 1 - size, &to, sums, out_apart, first, n, some, y + p * target)
                FOR_SIZE(s->size, COLLECT_TILES);
            }
        }
    }
    free(turned);
    return 0;
}

int evoact_winograd_weights(const Shape *s, const float *g, const float *x, float *gw, float *gb, int threads) {
    Grid from = grid_of(s, 0, 0), to = grid_of(s, 0, 1);
    int64_t tiles = to.across * tiles_along(to.height, to.step), together = tiles_together(s, tiles);
    int64_t columns = together * s->examples, parts = s->members * s->groups, weights = s->inputs * s->outputs;
    int64_t in_apart = apart_of(s->inputs, columns), out_apart = apart_of(s->outputs, columns);
    int64_t source = s->inputs * s->height * s->width * s->examples, positions = s->out_height * s->out_width * s->examples;
    int64_t area = s->size * s->size, floats = PLACES * (in_apart + out_apart + weights) + weights;
    int64_t each = whole_lines(floats + evoact_dense_room(0, 0));
    float *rooms = allocated(threads * each);
    if (!rooms) return NO_ROOM;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        float *values = rooms + t * each;
        float *gradients = values + PLACES * in_apart, *sums = gradients + PLACES * out_apart;
        float *more = sums + PLACES * weights, *room = more + weights;
        for (int64_t p = share(parts, t, threads); p < share(parts, t + 1, threads); p++) {
            const float *images = x + (s->shared ? p % s->groups : p) * source, *gs = g + p * s->outputs * positions;
            evoact_dense_biases(gs, gb + p * s->outputs, s->outputs, positions);
            for (int64_t first = 0; first < tiles; first += together) {
                int64_t n = least(tiles - first, together);
                HALF_OR_NOT(0, SPREAD_TILES);
#define EVALUATE_TILES(size, half) turn_tiles(EVALUATE, POINTS + 1 - size, half, &to, gs, first, n, gradients, out_apart)
#define EVALUATE_HALF(size) HALF_OR_NOT(size, EVALUATE_TILES)
                FOR_SIZE(s->size, EVALUATE_HALF);
                for (int64_t place = 0; place < PLACES; place++) {
                    float *sum = sums + place * weights;
                    evoact_dense_weights(0, gradients + place * out_apart, values + place * in_apart, 0, first ? more : sum,
                                         s->outputs, s->inputs, n * s->examples, room);
                    for (int64_t i = 0; first && i < weights; i++) sum[i] += more[i];
                }
            }
#define COLLECT_WINDOWS(size) collect_windows(size, weights, sums, gw + p * weights * area)
            FOR_SIZE(s->size, COLLECT_WINDOWS);
        }
    }
    free(rooms);
    return 0;
}
