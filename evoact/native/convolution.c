/* Convolutions of images that hold their examples innermost, [channels, height, width, examples]: whatever the window, the
 * same position of all examples is one contiguous range, and so is a run of positions where the stride is 1.
 *
 * Windows of 3 and 5 with a stride of 1 and many channels go by `winograd.c`. Otherwise
 * outputs, and gradients for inputs, are matrix products of the weights with columns that nobody writes down: the numbers
 * that a tap meets lie side by side, and a list says where (Dukhan 2019, "The Indirect Convolution Algorithm"). Only taps that
 * meet the image take part. Gradients for weights are inner products along the rows. What a member's result is depends on
 * that member alone. */
/* Products are added by one fused operation where the processor can, alike in every variant of a loop. */
#ifdef __clang__
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif

#include "convolution.h"

#include <stdlib.h>

#include "shares.h"
#include "vectors.h"

#define VECTORS 4 /* of positions in a tile: with ROWS they fill the registers */
#define ROWS 6
#define SIDE 5 /* rows and taps in a tile of inner products */
#define LARGEST 16 /* taps along a side of a window */
#define NEAR (1 << 18) /* floats of rows that inner products go over at a time: what a second-level cache holds */

int evoact_has_bf16(void) {
#ifdef __AVX512BF16__
    return 1;
#else
    return 0;
#endif
}

/* The nearest number in bf16, of two equally near the even one; NaN stays NaN. */
INLINE uint32_t bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? bits >> 16 | 64 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

INLINE float pair(float low, float high) {
    uint32_t bits = bf16(low) | bf16(high) << 16;
    float both;
    memcpy(&both, &bits, sizeof both);
    return both;
}

/* What is gathered from where: source and target are input and output, or for gradients the other way round. */
typedef struct {
    int64_t channels, rows, height, width, out_height, out_width;
    int backward;
} Direction;

typedef struct {
    int count, tap[LARGEST];
    int64_t place[LARGEST];
} Taps;

/* The taps along one side that meet the source, of `length`, from position `at` of the target, and where. */
static Taps taps_at(const Shape *s, int backward, int64_t at, int64_t length) {
    Taps t = {0};
    for (int i = 0; i < s->size; i++) {
        int64_t place = backward ? at + s->padding - i : at * s->stride - s->padding + i;
        if (backward && (place < 0 || place % s->stride)) continue;
        if (backward) place /= s->stride;
        if (place < 0 || place >= length) continue;
        t.tap[t.count] = i;
        t.place[t.count++] = place;
    }
    return t;
}

/* Positions start .. stop of a row have the same taps, and their sources lie side by side. */
typedef struct {
    int64_t start, stop;
    Taps taps;
} Run;

static int64_t make_runs(const Shape *s, const Direction *d, Run *runs) {
    int64_t n = 0;
    for (int64_t q = 0; q < d->out_width; q++) {
        Taps t = taps_at(s, d->backward, q, d->width);
        Run *last = runs + n - 1;
        if (n && s->stride == 1 && t.count == last->taps.count && (!t.count || t.tap[0] == last->taps.tap[0]))
            last->stop = q + 1;
        else
            runs[n++] = (Run){q, q + 1, t};
    }
    return n;
}

/* Rows are worked through in blocks of at most `most`, as equal as can be: block b begins here. */
INLINE int64_t block_start(int64_t b, int64_t rows, int64_t most) {
    int64_t blocks = (rows + most - 1) / most;
    return b * rows / blocks;
}

/* In bf16 a sum over channels takes two at a time. */
static int64_t halved(const Shape *s, int64_t channels) { return s->half ? (channels + 1) / 2 : channels; }

/* Weights as the tiles read them: block after block, tap after tap, the rows of a block side by side. */
static void pack_weights(const Shape *s, const Direction *d, const float *w, float *packed) {
    int64_t area = s->size * s->size, blocks = (d->rows + ROWS - 1) / ROWS;
    int64_t row = d->backward ? area : d->channels * area, channel = d->backward ? d->rows * area : area;
    for (int64_t b = 0; b < blocks; b++) {
        int64_t start = block_start(b, d->rows, ROWS), stop = block_start(b + 1, d->rows, ROWS);
        for (int64_t c = 0; c < d->channels; c += s->half ? 2 : 1)
            for (int64_t a = 0; a < area; a++)
                for (int64_t r = start; r < stop; r++) {
                    const float *from = w + r * row + c * channel + a;
                    *packed++ = s->half ? pair(*from, c + 1 < d->channels ? from[channel] : 0.0f) : *from;
                }
    }
}

/* Images in bf16, two channels in a number: [channels, n] to [halved channels, n]. */
static void pair_channels(int64_t channels, int64_t n, const float *restrict x, float *restrict pairs) {
    for (int64_t c = 0; c < channels; c += 2, x += 2 * n, pairs += n)
        if (c + 1 < channels)
            for (int64_t i = 0; i < n; i++) pairs[i] = pair(x[i], x[n + i]);
        else
            for (int64_t i = 0; i < n; i++) pairs[i] = pair(x[i], 0.0f);
}

/* Where the weights of each tap that takes part are, and the first of the numbers that it meets. */
static int64_t list_taps(const Shape *s, const Direction *d, const Taps *down, const Taps *across, int32_t *place,
                         int32_t *column) {
    int64_t taps = 0;
    for (int64_t c = 0; c < halved(s, d->channels); c++)
        for (int i = 0; i < down->count; i++)
            for (int j = 0; j < across->count; j++, taps++) {
                place[taps] = (int32_t)((c * s->size + down->tap[i]) * s->size + across->tap[j]);
                column[taps] =
                    (int32_t)(((c * d->height + down->place[i]) * d->width + across->place[j]) * s->examples);
            }
    return taps;
}

INLINE void tile(int rows, int vectors, int half, int64_t taps, const float *w, const int32_t *place, const int32_t *column,
                 const float *x, const float *bias, float *y, int64_t stride) {
    V sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sum[r][v] = (bias ? bias[r] : 0.0f) - (V){0};
    for (int64_t t = 0; t < taps; t++) {
        const float *weights = w + place[t] * rows, *from = x + column[t];
        V xs[VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) xs[v] = load(from + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) sum[r][v] = add_product(sum[r][v], xs[v], weights[r] - (V){0}, half);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) store(y + r * stride + v * LANES, sum[r][v]);
}

/* The same for fewer positions than a vector has. */
static void narrow(int64_t rows, int64_t n, int half, int64_t taps, const float *w, const int32_t *place,
                   const int32_t *column, const float *x, const float *bias, float *y, int64_t stride) {
    for (int64_t r = 0; r < rows; r++) {
        V sum = (bias ? bias[r] : 0.0f) - (V){0};
        for (int64_t t = 0; t < taps; t++)
            sum = add_product(sum, load_part(x + column[t], n), w[place[t] * rows + r] - (V){0}, half);
        memcpy(y + r * stride, &sum, (size_t)n * sizeof(float));
    }
}

typedef void (*Tile)(int64_t taps, const float *w, const int32_t *place, const int32_t *column, const float *x,
                     const float *bias, float *y, int64_t stride);
#define TILES(r, v, half)                                                                                              \
    static void tile_##r##_##v##_##half(int64_t taps, const float *w, const int32_t *place, const int32_t *column,     \
                                        const float *x, const float *bias, float *y, int64_t stride) {                 \
        tile(r, v, half, taps, w, place, column, x, bias, y, stride);                                                  \
    }
#define TILE_ROW(r, h) TILES(r, 1, h) TILES(r, 2, h) TILES(r, 3, h) TILES(r, 4, h)
#define ALL_TILES(h) TILE_ROW(1, h) TILE_ROW(2, h) TILE_ROW(3, h) TILE_ROW(4, h) TILE_ROW(5, h) TILE_ROW(6, h)
ALL_TILES(0)
ALL_TILES(1)
#define NAMES(r, h) {tile_##r##_1_##h, tile_##r##_2_##h, tile_##r##_3_##h, tile_##r##_4_##h}
#define ALL_NAMES(h) {NAMES(1, h), NAMES(2, h), NAMES(3, h), NAMES(4, h), NAMES(5, h), NAMES(6, h)}
static const Tile TILE_OF[2][ROWS][VECTORS] = {ALL_NAMES(0), ALL_NAMES(1)};

/* One run of positions in a row of the target, for all members that share the source. */
static void gather_run(const Shape *s, const Direction *d, int64_t taps, const float *x, const float *packed,
                       const float *bias, float *y, int64_t members, int64_t n, const int32_t *place,
                       const int32_t *column) {
    int64_t area = s->size * s->size, plane = d->out_height * d->out_width * s->examples;
    int64_t blocks = (d->rows + ROWS - 1) / ROWS, per_member = s->groups * d->rows;
    /* Block by block, so that a few rows of the target are written from end to end: what is read comes from the cache. */
    for (int64_t k = 0; k < members; k++)
        for (int64_t b = 0; b < blocks; b++) {
            int64_t first = block_start(b, d->rows, ROWS), rows = block_start(b + 1, d->rows, ROWS) - first;
            int64_t row = k * per_member + first;
            const float *w = packed + row * halved(s, d->channels) * area, *some = bias ? bias + row : NULL;
            float *to = y + row * plane;
            if (n < LANES) narrow(rows, n, (int)s->half, taps, w, place, column, x, some, to, plane);
            for (int64_t at = 0; at < n && n >= LANES;) {
                int64_t vectors = (n - at + LANES - 1) / LANES;
                if (vectors > VECTORS) vectors = VECTORS;
                if (vectors * LANES > n) vectors = n / LANES;
                /* The last tile reaches back: what two tiles have in common comes out the same. */
                int64_t start = at + vectors * LANES <= n ? at : n - vectors * LANES;
                TILE_OF[s->half][rows - 1][vectors - 1](taps, w, place, column, x + start, some, to + start, plane);
                at = start + vectors * LANES;
            }
        }
}

/* What `gather` works in: weights as the tiles read them, sources in pairs if in bf16, the runs of a row, and for each thread
 * where its taps are. */
typedef struct {
    float *packed, *pairs;
    Run *runs;
    int32_t *places;
} Room;

static void gather_in(Room room, const Shape *s, const Direction *d, const float *x, const float *w, const float *bias,
                      float *y, int threads) {
    int64_t area = s->size * s->size, channels = halved(s, d->channels), parts = s->members * s->groups;
    int64_t weights = d->rows * d->channels * area, packs = d->rows * channels * area;
    int64_t plane = d->height * d->width * s->examples, source = channels * plane;
    int64_t target = d->rows * d->out_height * d->out_width * s->examples;
    int64_t sharing = s->shared && !d->backward ? s->members : 1, separate = parts / sharing;
    const float *from = s->half ? room.pairs : x;
    int64_t n_runs = make_runs(s, d, room.runs), all = separate * d->out_height;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for schedule(static)
        for (int64_t p = 0; p < parts; p++) pack_weights(s, d, w + p * weights, room.packed + p * packs);
#pragma omp for schedule(static)
        for (int64_t p = 0; p < (s->half ? separate : 0); p++)
            pair_channels(d->channels, plane, x + p * d->channels * plane, room.pairs + p * source);
#pragma omp for schedule(static)
        for (int t = 0; t < threads; t++) {
            int32_t *place = room.places + t * 2 * channels * area, *column = place + channels * area;
            for (int64_t i = share(all, t, threads); i < share(all, t + 1, threads); i++) {
                int64_t p = i / d->out_height, row = i % d->out_height;
                Taps down = taps_at(s, d->backward, row, d->height);
                for (const Run *run = room.runs; run < room.runs + n_runs; run++) {
                    int64_t taps = list_taps(s, d, &down, &run->taps, place, column);
                    float *to = y + p * target + (row * d->out_width + run->start) * s->examples;
                    gather_run(s, d, taps, from + p * source, room.packed + p * packs, bias ? bias + p * d->rows : NULL, to,
                               sharing, (run->stop - run->start) * s->examples, place, column);
                }
            }
        }
    }
}

static int gather(const Shape *s, const Direction *d, const float *x, const float *w, const float *bias, float *y,
                  int threads) {
    int64_t taps = halved(s, d->channels) * s->size * s->size, parts = s->members * s->groups;
    int64_t separate = s->shared && !d->backward ? s->groups : parts;
    int64_t source = halved(s, d->channels) * d->height * d->width * s->examples;
    Room room = {
        .packed = malloc((size_t)(parts * d->rows * taps) * sizeof(float)),
        .pairs = s->half ? malloc((size_t)(separate * source) * sizeof(float)) : NULL,
        .runs = malloc((size_t)d->out_width * sizeof(Run)),
        .places = malloc((size_t)(threads * 2 * taps) * sizeof(int32_t)),
    };
    int fits = room.packed && (room.pairs || !s->half) && room.runs && room.places;
    if (fits) gather_in(room, s, d, x, w, bias, y, threads);
    free(room.packed);
    free(room.pairs);
    free(room.runs);
    free(room.places);
    return fits ? 0 : NO_ROOM;
}

/* y: [members, groups * outputs, out_height, out_width, examples], of x: the same of inputs, w: [members, groups * outputs,
 * inputs, size, size] and bias: [members, groups * outputs]. */
int evoact_convolution(const float *x, const float *w, const float *bias, float *y, const int64_t *shape, int threads) {
    Shape s;
    memcpy(&s, shape, sizeof s);
    Direction d = {s.inputs, s.outputs, s.height, s.width, s.out_height, s.out_width, 0};
    if (evoact_winograd_takes(&s, 0)) return evoact_winograd(&s, 0, x, w, bias, y, threads);
    return gather(&s, &d, x, w, bias, y, threads);
}

/* The gradient for x of that for y. */
int evoact_convolution_inputs(const float *g, const float *w, float *x, const int64_t *shape, int threads) {
    Shape s;
    memcpy(&s, shape, sizeof s);
    Direction d = {s.outputs, s.inputs, s.out_height, s.out_width, s.height, s.width, 1};
    if (evoact_winograd_takes(&s, 1)) return evoact_winograd(&s, 1, g, w, NULL, x, threads);
    return gather(&s, &d, g, w, NULL, x, threads);
}

/* The inner products of `rows` rows of g with the images at `taps` places, added to `sum` lane by lane, over `lines` ranges of
 * n numbers, which lie `g_line` and `x_line` apart. */
INLINE void products(int rows, int taps, int half, const float *g, int64_t g_row, int64_t g_line, const float *x,
                     const int64_t *place, int64_t x_line, int64_t lines, int64_t n, V *sum) {
    V s[SIDE][SIDE];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int t = 0; t < taps; t++) s[r][t] = sum[r * taps + t];
    for (int64_t l = 0; l < lines; l++) {
        const float *from = g + l * g_line, *at[SIDE];
#pragma GCC unroll 8
        for (int t = 0; t < taps; t++) at[t] = x + l * x_line + place[t];
        int64_t i = 0;
        for (; i + LANES <= n; i += LANES) {
            V gs[SIDE];
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) gs[r] = load(from + r * g_row + i);
#pragma GCC unroll 8
            for (int t = 0; t < taps; t++) {
                V xs = load(at[t] + i);
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++) s[r][t] = add_product(s[r][t], gs[r], xs, half);
            }
        }
        if (i < n) {
            V gs[SIDE];
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) gs[r] = load_part(from + r * g_row + i, n - i);
#pragma GCC unroll 8
            for (int t = 0; t < taps; t++) {
                V xs = load_part(at[t] + i, n - i);
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++) s[r][t] = add_product(s[r][t], gs[r], xs, half);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int t = 0; t < taps; t++) sum[r * taps + t] = s[r][t];
}

typedef void (*Products)(const float *g, int64_t g_row, int64_t g_line, const float *x, const int64_t *place,
                         int64_t x_line, int64_t lines, int64_t n, V *sum);
#define PRODUCTS(r, t, half)                                                                                           \
    static void products_##r##_##t##_##half(const float *g, int64_t g_row, int64_t g_line, const float *x,             \
                                            const int64_t *place, int64_t x_line, int64_t lines, int64_t n, V *sum) {  \
        products(r, t, half, g, g_row, g_line, x, place, x_line, lines, n, sum);                                       \
    }
#define PRODUCTS_ROW(r, h)                                                                                             \
    PRODUCTS(r, 1, h) PRODUCTS(r, 2, h) PRODUCTS(r, 3, h) PRODUCTS(r, 4, h) PRODUCTS(r, 5, h)
#define ALL_PRODUCTS(h)                                                                                                \
    PRODUCTS_ROW(1, h) PRODUCTS_ROW(2, h) PRODUCTS_ROW(3, h) PRODUCTS_ROW(4, h) PRODUCTS_ROW(5, h)
ALL_PRODUCTS(0)
ALL_PRODUCTS(1)
#define PRODUCT_NAMES(r, h)                                                                                            \
    {products_##r##_1_##h, products_##r##_2_##h, products_##r##_3_##h, products_##r##_4_##h, products_##r##_5_##h}
#define ALL_PRODUCT_NAMES(h)                                                                                           \
    {PRODUCT_NAMES(1, h), PRODUCT_NAMES(2, h), PRODUCT_NAMES(3, h), PRODUCT_NAMES(4, h), PRODUCT_NAMES(5, h)}
static const Products PRODUCTS_OF[2][SIDE][SIDE] = {ALL_PRODUCT_NAMES(0), ALL_PRODUCT_NAMES(1)};

/* In bf16 a number holds two examples, the last perhaps one and 0. */
static int64_t numbers(const Shape *s) { return s->half ? (s->examples + 1) / 2 : s->examples; }

static void pair_examples(int64_t rows, int64_t examples, const float *restrict x, float *restrict pairs) {
    if (examples % 2 == 0) { /* rows follow each other without gaps */
        uint16_t *restrict halves = (uint16_t *)pairs;
        for (int64_t i = 0; i < rows * examples; i++) halves[i] = (uint16_t)bf16(x[i]);
        return;
    }
    for (int64_t r = 0; r < rows; r++, x += examples) {
        for (int64_t i = 0; i + 1 < examples; i += 2) *pairs++ = pair(x[i], x[i + 1]);
        *pairs++ = pair(x[examples - 1], 0.0f);
    }
}

/* The images of one group with their padding: [channels, height + 2 padding, width + 2 padding, numbers]. */
static const float *padded(const Shape *s, const float *x, float *room) {
    if (!s->padding && !s->half) return x;
    int64_t n = numbers(s), high = s->height + 2 * s->padding, wide = (s->width + 2 * s->padding) * n;
    if (s->padding) memset(room, 0, (size_t)(s->inputs * high * wide) * sizeof(float));
    for (int64_t c = 0; c < s->inputs; c++)
        for (int64_t i = 0; i < s->height; i++) {
            const float *from = x + (c * s->height + i) * s->width * s->examples;
            float *to = room + (c * high + i + s->padding) * wide + s->padding * n;
            if (s->half)
                pair_examples(s->width, s->examples, from, to);
            else
                memcpy(to, from, (size_t)(s->width * n) * sizeof(float));
        }
    return room;
}

/* The gradient for one member's weights of one group. `sums` has a vector for each weight, `place` a number for each
 * tap. */
static void correlate(const Shape *s, const float *g, const float *x, float *gw, V *sums, int64_t *place) {
    int64_t high = s->height + 2 * s->padding, wide = s->width + 2 * s->padding, n = numbers(s);
    int64_t taps = s->inputs * s->size * s->size, plane = s->out_height * s->out_width * n;
    int64_t row_blocks = (s->outputs + SIDE - 1) / SIDE, tap_blocks = (taps + SIDE - 1) / SIDE;
    for (int64_t t = 0, c = 0; c < s->inputs; c++)
        for (int64_t i = 0; i < s->size; i++)
            for (int64_t j = 0; j < s->size; j++) place[t++] = ((c * high + i) * wide + j) * n;
    /* With a stride of 1 a row of positions is one range, else each position is one. */
    int64_t across = s->stride == 1 ? 1 : s->out_width, length = s->stride == 1 ? s->out_width * n : n;
    int64_t row_numbers = s->inputs * wide * n * s->stride + s->outputs * s->out_width * n;
    int64_t together = NEAR / row_numbers;
    if (together < 1 || across > 1) together = 1;
    memset(sums, 0, (size_t)(s->outputs * taps) * sizeof(V));
    for (int64_t y = 0; y < s->out_height; y += together) {
        int64_t rows = s->out_height - y < together ? s->out_height - y : together;
        int64_t lines = across > 1 ? across : rows;
        int64_t g_line = across > 1 ? n : s->out_width * n, x_line = across > 1 ? s->stride * n : wide * n;
        V *sum = sums;
        for (int64_t b = 0; b < row_blocks; b++) {
            int64_t first = block_start(b, s->outputs, SIDE), count = block_start(b + 1, s->outputs, SIDE) - first;
            for (int64_t t = 0; t < tap_blocks; t++) {
                int64_t tap = block_start(t, taps, SIDE), some = block_start(t + 1, taps, SIDE) - tap;
                PRODUCTS_OF[s->half][count - 1][some - 1](g + first * plane + y * s->out_width * n, plane, g_line,
                                                 x + y * s->stride * wide * n, place + tap, x_line, lines, length, sum);
                sum += count * some;
            }
        }
    }
    for (int64_t b = 0; b < row_blocks; b++) {
        int64_t first = block_start(b, s->outputs, SIDE), stop = block_start(b + 1, s->outputs, SIDE);
        for (int64_t t = 0; t < tap_blocks; t++)
            for (int64_t r = first; r < stop; r++)
                for (int64_t tap = block_start(t, taps, SIDE); tap < block_start(t + 1, taps, SIDE); tap++)
                    gw[r * taps + tap] = lanes_total(*sums++);
    }
}

/* The gradient for biases: sums over the `n` positions of each row. */
static void add_up(int64_t rows, int64_t n, const float *g, float *gb) {
    for (int64_t r = 0; r < rows; r++, g += n) {
        V sum = {0};
        int64_t i = 0;
        for (; i + LANES <= n; i += LANES) sum += load(g + i);
        gb[r] = lanes_total(sum + load_part(g + i, n - i));
    }
}

/* The gradients for weights and biases of that for y. */
int evoact_convolution_weights(const float *g, const float *x, float *gw, float *gb, const int64_t *shape, int threads) {
    Shape s;
    memcpy(&s, shape, sizeof s);
    if (evoact_winograd_takes(&s, 0)) return evoact_winograd_weights(&s, g, x, gw, gb, threads);
    int64_t taps = s.inputs * s.size * s.size, parts = s.members * s.groups, positions = s.out_height * s.out_width;
    int64_t high = s.height + 2 * s.padding, wide = s.width + 2 * s.padding;
    int64_t source = s.inputs * s.height * s.width * s.examples, target = s.outputs * positions * s.examples;
    int64_t room = s.padding || s.half ? s.inputs * high * wide * numbers(&s) : 0;
    int64_t halves = s.half ? s.outputs * positions * numbers(&s) : 0;
    float *rooms = malloc((size_t)(threads * (room + halves)) * sizeof(float));
    V *all_sums = aligned_alloc(64, (size_t)(threads * s.outputs * taps) * 64);
    int64_t *places = malloc((size_t)(threads * taps) * sizeof(int64_t));
    int fits = (rooms || !(room + halves)) && all_sums && places;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < (fits ? threads : 0); t++) {
        float *images = rooms + t * (room + halves), *pairs = images + room;
        V *sums = all_sums + t * s.outputs * taps;
        int64_t *place = places + t * taps;
        for (int64_t p = share(parts, t, threads); p < share(parts, t + 1, threads); p++) {
            const float *from = padded(&s, x + (s.shared ? p % s.groups : p) * source, images), *gs = g + p * target;
            add_up(s.outputs, positions * s.examples, gs, gb + p * s.outputs);
            if (s.half) pair_examples(s.outputs * positions, s.examples, gs, pairs);
            correlate(&s, s.half ? pairs : gs, from, gw + p * s.outputs * taps, sums, place);
        }
    }
    free(places);
    free(all_sums);
    free(rooms);
    return fits ? 0 : NO_ROOM;
}
