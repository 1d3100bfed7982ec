/* y_r = sum_t c_t f_t(x_r) over rows, and its gradients: each one pass over the data.
 *
 * Rows may have any base functions in any order; nothing is sorted or gathered. A row is worked through in
 * pieces that stay in the first-level cache. What a row's result is depends on that row alone.
 */
#include "activations.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "shares.h"
#include "vector_math.h"

typedef void (*Value)(int n, const float *restrict x, float *restrict y);
typedef void (*Slope)(int n, const float *restrict x, const float *restrict y, float *restrict d);
typedef void (*Chain)(int n, const float *restrict x, const float *restrict y, const float *restrict g,
                      float *restrict gx);

#define LEAK 0.01f
#define SELU_SCALE 1.05070099f
#define SELU_ALPHA 1.67326324f

/* A base function from its value of x and its derivative of x and y = f(x): `value` and `slope` as loops, and
 * `chain`, the slope times the gradient that comes in. */
#define DEFINE(name, value, derivative)                                                                     \
    static void value_##name(int n, const float *restrict px, float *restrict py) {                         \
        for (int i = 0; i < n; i++) {                                                                       \
            float x = px[i];                                                                                \
            (void)x;                                                                                        \
            py[i] = (value);                                                                                \
        }                                                                                                   \
    }                                                                                                       \
    static void slope_##name(int n, const float *restrict px, const float *restrict py, float *restrict pd) { \
        for (int i = 0; i < n; i++) {                                                                       \
            float x = px[i], y = py[i];                                                                     \
            (void)x, (void)y;                                                                               \
            pd[i] = (derivative);                                                                           \
        }                                                                                                   \
    }                                                                                                       \
    static void chain_##name(int n, const float *restrict px, const float *restrict py,                     \
                             const float *restrict pg, float *restrict pgx) {                               \
        for (int i = 0; i < n; i++) {                                                                       \
            float x = px[i], y = py[i];                                                                     \
            (void)x, (void)y;                                                                               \
            pgx[i] = pg[i] * (derivative);                                                                  \
        }                                                                                                   \
    }

INLINE float swish_slope(float x) {
    float s = vlogistic(x);
    return FMA(x * s, 1.0f - s, s);
}

INLINE float gelu(float x) { return x * vnormal_cdf(x, vexp(-0.5f * x * x)); }

INLINE float gelu_slope(float x) {
    float bell = vexp(-0.5f * x * x);
    return FMA(x * 0.39894228f, bell, vnormal_cdf(x, bell));
}

/* tanh(log(1 + e^x)) = w / (w + 2) with w = e^x (e^x + 2); it is 1 in single precision beyond 20. */
INLINE float mish_gate(float x) {
    float e = vexp(x > 20.0f ? 20.0f : x), w = e * (e + 2.0f);
    return w / (w + 2.0f);
}

INLINE float mish_slope(float x) {
    float t = mish_gate(x);
    return FMA(x * FMA(-t, t, 1.0f), vlogistic(x), t);
}

/* The value between two bounds, NaN kept, and 1 strictly between them. */
INLINE float clamped(float x, float low, float high) { return x < low ? low : (x > high ? high : x); }
INLINE float inside(float x, float low, float high) { return x > low && x < high ? 1.0f : 0.0f; }

INLINE float hard_sigmoid(float x) { return clamped(x + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f); }

INLINE float small_snake(float x) {
    float s = vsin_shifted(x, 0);
    return FMA(s, s, x);
}

static float snake(float x) {
    float s = sinf(x);
    return x + s * s;
}

static float snake_slope(float x) { return 1.0f + 2.0f * sinf(x) * cosf(x); }

DEFINE(identity, x, 1.0f)
DEFINE(relu, x < 0.0f ? 0.0f : x, y > 0.0f ? 1.0f : (y == y ? 0.0f : y))
DEFINE(leaky_relu, x > 0.0f ? x : LEAK * x, x > 0.0f ? 1.0f : LEAK)
DEFINE(elu, x > 0.0f ? x : vexpm1(x), y > 0.0f ? 1.0f : y + 1.0f)
DEFINE(selu, SELU_SCALE *(x > 0.0f ? x : SELU_ALPHA * vexpm1(x)),
       x > 0.0f ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA)
DEFINE(softplus, vsoftplus(x), vlogistic(x))
DEFINE(sigmoid, vlogistic(x), y *(1.0f - y))
DEFINE(tanh, vtanh(x), 1.0f - y * y)
DEFINE(softsign, x / (1.0f + fabsf(x)), (1.0f - fabsf(y)) * (1.0f - fabsf(y)))
DEFINE(small_sin, vsin_shifted(x, 0), vsin_shifted(x, 1))
DEFINE(small_cos, vsin_shifted(x, 1), -vsin_shifted(x, 0))
DEFINE(gaussian, vexp(-x * x), -2.0f * (x * y))
DEFINE(gelu, gelu(x), gelu_slope(x))
DEFINE(swish, x *vlogistic(x), swish_slope(x))
DEFINE(mish, x *mish_gate(x), mish_slope(x))
DEFINE(abs, fabsf(x), x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x))
DEFINE(square, x *x, 2.0f * x)
DEFINE(thresholded_relu, x <= 1.0f ? 0.0f : x, x > 1.0f ? 1.0f : 0.0f)
DEFINE(relu6, clamped(x, 0.0f, 6.0f), inside(x, 0.0f, 6.0f))
DEFINE(hard_tanh, clamped(x, -1.0f, 1.0f), inside(x, -1.0f, 1.0f))
DEFINE(hard_sigmoid, hard_sigmoid(x), inside(x, -3.0f, 3.0f) * (1.0f / 6.0f))
DEFINE(hard_swish, x *hard_sigmoid(x), FMA(x, inside(x, -3.0f, 3.0f) * (1.0f / 6.0f), hard_sigmoid(x)))
DEFINE(small_snake, small_snake(x), FMA(2.0f * vsin_shifted(x, 0), vsin_shifted(x, 1), 1.0f))
DEFINE(zero, 0.0f, 0.0f)

static int small_angles(int n, const float *x) {
    int large = 0;
    for (int i = 0; i < n; i++) large |= !(fabsf(x[i]) <= LARGEST_ANGLE);
    return !large;
}

/* Pieces that hold large, infinite or NaN angles go through the C library. */
#define DEFINE_PERIODIC(name, value, derivative)                                                            \
    static void value_##name(int n, const float *restrict x, float *restrict y) {                           \
        value_small_##name(n, x, y);                                                                        \
        if (!small_angles(n, x))                                                                            \
            for (int i = 0; i < n; i++)                                                                     \
                if (!(fabsf(x[i]) <= LARGEST_ANGLE)) y[i] = value(x[i]);                                    \
    }                                                                                                       \
    static void slope_##name(int n, const float *restrict x, const float *restrict y, float *restrict d) {  \
        slope_small_##name(n, x, y, d);                                                                     \
        if (!small_angles(n, x))                                                                            \
            for (int i = 0; i < n; i++)                                                                     \
                if (!(fabsf(x[i]) <= LARGEST_ANGLE)) d[i] = derivative(x[i]);                               \
    }                                                                                                       \
    static void chain_##name(int n, const float *restrict x, const float *restrict y,                       \
                             const float *restrict g, float *restrict gx) {                                 \
        chain_small_##name(n, x, y, g, gx);                                                                 \
        if (!small_angles(n, x))                                                                            \
            for (int i = 0; i < n; i++)                                                                     \
                if (!(fabsf(x[i]) <= LARGEST_ANGLE)) gx[i] = g[i] * derivative(x[i]);                       \
    }

DEFINE_PERIODIC(sin, sinf, cosf)
DEFINE_PERIODIC(cos, cosf, -sinf)
DEFINE_PERIODIC(snake, snake, snake_slope)

#define ENTRY(name) {#name, value_##name, slope_##name, chain_##name}
static const struct { const char *name; Value value; Slope slope; Chain chain; } FUNCTIONS[] = {
    ENTRY(identity), ENTRY(relu), ENTRY(leaky_relu), ENTRY(elu), ENTRY(selu), ENTRY(softplus),
    ENTRY(sigmoid), ENTRY(tanh), ENTRY(softsign), ENTRY(sin), ENTRY(cos), ENTRY(gaussian),
    ENTRY(gelu), ENTRY(swish), ENTRY(mish), ENTRY(abs), ENTRY(square), ENTRY(zero),
    ENTRY(thresholded_relu), ENTRY(relu6), ENTRY(hard_tanh), ENTRY(hard_sigmoid), ENTRY(hard_swish),
    ENTRY(snake),
};

const char *evoact_function_name(int i) {
    return (size_t)i < sizeof FUNCTIONS / sizeof FUNCTIONS[0] ? FUNCTIONS[i].name : NULL;
}

static int is_plain(const Term *t) {
    return t->coefficient == ALONE && t->input_scale == 1.0f && t->output_scale == 1.0f && t->shift == 0.0f;
}

/* oa * f(ia * x) + shift, in two steps: `scaled` is ia * x and `core` is f of it. */
static const float *term_input(const Term *t, int n, const float *restrict x, float *restrict scaled) {
    if (t->input_scale == 1.0f) return x;
    for (int i = 0; i < n; i++) scaled[i] = t->input_scale * x[i];
    return scaled;
}

static const float *term_output(const Term *t, int n, const float *restrict core, float *restrict value) {
    if (t->output_scale == 1.0f && t->shift == 0.0f) return core;
    for (int i = 0; i < n; i++) value[i] = FMA(t->output_scale, core[i], t->shift);
    return value;
}

/* sum = weight * value + (is_first ? 0 : sum) */
static void accumulate(int is_first, int n, float weight, const float *restrict value, float *restrict sum) {
    if (is_first)
        for (int i = 0; i < n; i++) sum[i] = weight * value[i];
    else
        for (int i = 0; i < n; i++) sum[i] = FMA(weight, value[i], sum[i]);
}

static void forward_piece(const Term *first, const Term *last, const float *c, int n, const float *x, float *y) {
    float scaled[TERM_PIECE], core[TERM_PIECE], value[TERM_PIECE];
    if (first == last) memset(y, 0, (size_t)n * sizeof(float));
    for (const Term *t = first; t < last; t++) {
        float weight = t->coefficient < 0 ? 1.0f : c[t->coefficient];
        FUNCTIONS[t->function].value(n, term_input(t, n, x, scaled), core);
        accumulate(t == first, n, weight, term_output(t, n, core, value), y);
    }
}

static void backward_piece(const Term *first, const Term *last, const float *c, int n, const float *g, const float *x,
                           float *grad_x, float *grad_c) {
    float scaled[TERM_PIECE], core[TERM_PIECE], value[TERM_PIECE], slope[TERM_PIECE];
    if (first == last) memset(grad_x, 0, (size_t)n * sizeof(float));
    for (const Term *t = first; t < last; t++) {
        float weight = t->coefficient < 0 ? 1.0f : c[t->coefficient], sum = 0.0f;
        const float *input = term_input(t, n, x, scaled);
        FUNCTIONS[t->function].value(n, input, core);
        FUNCTIONS[t->function].slope(n, input, core, slope);
        accumulate(t == first, n, weight * t->output_scale * t->input_scale, slope, grad_x);
        if (t->coefficient < 0) continue;
        const float *output = term_output(t, n, core, value);
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < n; i++) sum += g[i] * output[i];
        grad_c[t->coefficient] += sum;
    }
    if (first < last)
        for (int i = 0; i < n; i++) grad_x[i] *= g[i];
}

void evoact_term_value(const Term *t, int n, const float *x, float *y) {
    float scaled[TERM_PIECE];
    FUNCTIONS[t->function].value(n, term_input(t, n, x, scaled), y);
    if (t->output_scale == 1.0f && t->shift == 0.0f) return;
    for (int i = 0; i < n; i++) y[i] = FMA(t->output_scale, y[i], t->shift);
}

void evoact_term(const Term *t, int n, const float *x, float *y, float *slope) {
    if (t->input_scale == 1.0f && t->output_scale == 1.0f && t->shift == 0.0f) {
        FUNCTIONS[t->function].value(n, x, y);
        FUNCTIONS[t->function].slope(n, x, y, slope);
        return;
    }
    float scaled[TERM_PIECE], core[TERM_PIECE], scale = t->output_scale * t->input_scale;
    const float *input = term_input(t, n, x, scaled);
    FUNCTIONS[t->function].value(n, input, core);
    FUNCTIONS[t->function].slope(n, input, core, slope);
    for (int i = 0; i < n; i++) {
        y[i] = FMA(t->output_scale, core[i], t->shift);
        slope[i] *= scale;
    }
}

/* Whether a row is left to `evoact_splined_rows_...`. */
static int is_splined(int64_t r, const int32_t *begin, const Term *terms) {
    return begin[r + 1] > begin[r] && terms[begin[r]].coefficient == SPLINED;
}

/* One past the last row from r on, before `stop`, that has the same plain function as r; r if r has none. All of them
 * together, of m elements each, can be counted by an `int`. */
static int64_t same_function(int64_t r, int64_t stop, const int32_t *begin, const Term *terms, int64_t m) {
    if (begin[r + 1] - begin[r] != 1 || !is_plain(terms + begin[r]) || m > INT_MAX) return r;
    if (m && stop - r > INT_MAX / m) stop = r + INT_MAX / m;
    int32_t function = terms[begin[r]].function;
    int64_t end = r + 1;
    while (end < stop && begin[end + 1] - begin[end] == 1 && is_plain(terms + begin[end]) &&
           terms[begin[end]].function == function)
        end++;
    return end;
}

/* Rows of x: [rows, pieces, m], of which the first of each row's `pieces` is read; y: [rows, m].
 * Terms begin[r] .. begin[r + 1] are row r's; a row without terms is 0, a splined one is not touched. */
static void forward_rows(int64_t start, int64_t stop, const float *x, float *y, const float *c, const int32_t *begin,
                         const Term *terms, int64_t pieces, int64_t m) {
    for (int64_t r = start; r < stop;) {
        const float *xr = x + r * pieces * m;
        float *yr = y + r * m;
        int64_t end = same_function(r, pieces == 1 ? stop : r + 1, begin, terms, m);
        if (end > r) {
            FUNCTIONS[terms[begin[r]].function].value((int)((end - r) * m), xr, yr);
            r = end;
            continue;
        }
        for (int64_t i = 0; i < m && !is_splined(r, begin, terms); i += TERM_PIECE)
            forward_piece(terms + begin[r], terms + begin[r + 1], c, (int)least(m - i, TERM_PIECE), xr + i, yr + i);
        r++;
    }
}

static void backward_rows(int64_t start, int64_t stop, const float *g, const float *x, const float *y, float *grad_x,
                          const float *c, float *grad_c, const int32_t *begin, const Term *terms, int64_t pieces,
                          int64_t m) {
    for (int64_t r = start; r < stop;) {
        int64_t wide = r * pieces * m, narrow = r * m;
        int64_t end = same_function(r, pieces == 1 ? stop : r + 1, begin, terms, m);
        if (end > r)
            FUNCTIONS[terms[begin[r]].function].chain((int)((end - r) * m), x + wide, y + narrow, g + narrow,
                                                      grad_x + wide);
        else
            for (int64_t i = 0; i < m && !is_splined(r, begin, terms); i += TERM_PIECE)
                backward_piece(terms + begin[r], terms + begin[r + 1], c, (int)least(m - i, TERM_PIECE), g + narrow + i,
                               x + wide + i, grad_x + wide + i, grad_c);
        memset(grad_x + wide + m, 0, (size_t)((pieces - 1) * m) * sizeof(float));
        r = end > r ? end : r + 1;
    }
}

void evoact_mixture_forward(const float *x, float *y, const float *c, const int32_t *begin, const Term *terms,
                            int64_t rows, int64_t pieces, int64_t m, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++)
        forward_rows(share(rows, t, threads), share(rows, t + 1, threads), x, y, c, begin, terms, pieces, m);
}

/* grad_x is written whole but for splined rows; grad_c (one entry per coefficient, each of one row) must be 0 on entry. */
void evoact_mixture_backward(const float *g, const float *x, const float *y, float *grad_x, const float *c,
                             float *grad_c, const int32_t *begin, const Term *terms, int64_t rows, int64_t pieces,
                             int64_t m, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++)
        backward_rows(share(rows, t, threads), share(rows, t + 1, threads), g, x, y, grad_x, c, grad_c, begin, terms,
                      pieces, m);
}

void evoact_rows_values(int64_t start, int64_t stop, const float *x, float *y, const float *c, const int32_t *begin,
                        const Term *terms, int64_t pieces, int64_t m) {
    forward_rows(0, stop - start, x, y, c, begin + start, terms, pieces, m);
}

void evoact_rows_gradients(int64_t start, int64_t stop, const float *g, const float *x, const float *y, float *grad_x,
                           const float *c, float *grad_c, const int32_t *begin, const Term *terms, int64_t pieces, int64_t m) {
    backward_rows(0, stop - start, g, x, y, grad_x, c, grad_c, begin + start, terms, pieces, m);
}

int evoact_row_keeps_order(int64_t r, const int32_t *begin, const Term *terms) {
    if (begin[r + 1] - begin[r] != 1 || !is_plain(terms + begin[r])) return 0;
    Value value = FUNCTIONS[terms[begin[r]].function].value;
    return value == value_relu || value == value_identity;
}

/* --- neurons as columns -------------------------------------------------------------------------------------------
 * x, y: [m, neurons]. A block of COLUMNS examples is turned into rows that fit into the cache, sorted by the program:
 * neuron j is its row place[j]. Turning whole tensors would take several times as long as the functions themselves.
 * Buffers are APART, because addresses a multiple of 4096 bytes apart make processors wait. */
enum { COLUMNS = 16, APART = 208, SPAN = 64 }; /* SPAN: a multiple of COLUMNS */

typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t Picked __attribute__((vector_size(16)));
#ifdef __clang__
#define PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, (Picked){i, j, k, l})
#endif

/* Transposes four vectors of four. */
static inline void turn(Four v[4]) {
    Four a = PICK(v[0], v[1], 0, 4, 1, 5), b = PICK(v[2], v[3], 0, 4, 1, 5);
    Four c = PICK(v[0], v[1], 2, 6, 3, 7), d = PICK(v[2], v[3], 2, 6, 3, 7);
    v[0] = PICK(a, b, 0, 1, 4, 5), v[1] = PICK(a, b, 2, 3, 6, 7);
    v[2] = PICK(c, d, 0, 1, 4, 5), v[3] = PICK(c, d, 2, 3, 6, 7);
}

static void into_rows(const float *x, float *rows, const int32_t *place, int64_t neurons, int n) {
    int64_t whole = n < COLUMNS ? 0 : neurons / 4 * 4;
    if (n < COLUMNS) memset(rows, 0, (size_t)(neurons * COLUMNS) * sizeof(float));
    for (int64_t j = 0; j < whole; j += 4)
        for (int i = 0; i < COLUMNS; i += 4) {
            Four v[4];
            for (int k = 0; k < 4; k++) v[k] = *(const Four *)(x + (i + k) * neurons + j);
            turn(v);
            for (int k = 0; k < 4; k++) *(Four *)(rows + (int64_t)place[j + k] * COLUMNS + i) = v[k];
        }
    for (int i = 0; i < n; i++)
        for (int64_t j = whole; j < neurons; j++) rows[(int64_t)place[j] * COLUMNS + i] = x[i * neurons + j];
}

static void out_of_rows(const float *rows, float *x, const int32_t *place, int64_t neurons, int n) {
    int64_t whole = n < COLUMNS ? 0 : neurons / 4 * 4;
    for (int64_t j = 0; j < whole; j += 4)
        for (int i = 0; i < COLUMNS; i += 4) {
            Four v[4];
            for (int k = 0; k < 4; k++) v[k] = *(const Four *)(rows + (int64_t)place[j + k] * COLUMNS + i);
            turn(v);
            for (int k = 0; k < 4; k++) *(Four *)(x + (i + k) * neurons + j) = v[k];
        }
    for (int i = 0; i < n; i++)
        for (int64_t j = whole; j < neurons; j++) x[i * neurons + j] = rows[(int64_t)place[j] * COLUMNS + i];
}

/* `room`: [threads, 2, neurons * COLUMNS + APART] */
void evoact_mixture_columns_forward(const float *x, float *y, const float *c, const int32_t *begin, const Term *terms,
                                    const int32_t *place, float *room, int64_t m, int64_t neurons, int threads) {
    int64_t blocks = (m + COLUMNS - 1) / COLUMNS, size = neurons * COLUMNS + APART;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        float *in = room + 2 * t * size, *out = in + size;
        for (int64_t b = share(blocks, t, threads); b < share(blocks, t + 1, threads); b++) {
            int64_t at = b * COLUMNS * neurons;
            int n = (int)least(m - b * COLUMNS, COLUMNS);
            into_rows(x + at, in, place, neurons, n);
            forward_rows(0, neurons, in, out, c, begin, terms, 1, COLUMNS);
            out_of_rows(out, y + at, place, neurons, n);
        }
    }
}

/* `room`: [threads, 4, neurons * COLUMNS + APART]; grad_c: [spans of SPAN examples, coefficients], 0 on entry, to be added up:
 * a span's sums do not depend on the number of threads. What fills up the last block has g = 0, so it adds nothing. */
void evoact_mixture_columns_backward(const float *g, const float *x, const float *y, float *grad_x, const float *c,
                                     float *grad_c, const int32_t *begin, const Term *terms, const int32_t *place,
                                     float *room, int64_t m, int64_t neurons, int64_t coefficients, int threads) {
    int64_t spans = (m + SPAN - 1) / SPAN, size = neurons * COLUMNS + APART;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        float *gr = room + 4 * t * size, *xr = gr + size, *yr = xr + size, *out = yr + size;
        int64_t stop = least(m, share(spans, t + 1, threads) * SPAN);
        for (int64_t i = share(spans, t, threads) * SPAN; i < stop; i += COLUMNS) {
            int64_t at = i * neurons;
            int n = (int)least(m - i, COLUMNS);
            into_rows(g + at, gr, place, neurons, n);
            into_rows(x + at, xr, place, neurons, n);
            into_rows(y + at, yr, place, neurons, n);
            backward_rows(0, neurons, gr, xr, yr, out, c, grad_c + i / SPAN * coefficients, begin, terms, 1, COLUMNS);
            out_of_rows(out, grad_x + at, place, neurons, n);
        }
    }
}
