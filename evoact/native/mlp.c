/* Losses and gradients of multi-layer perceptrons, one member after the other, so that what a member's layers give stays in
 * the second-level cache. The same functions as those of single layers: the same bits. */
#include <stdlib.h>
#include <string.h>

#include "activations.h"
#include "dense.h"
#include "vector_math.h"

#define SOME 512 /* examples at a time */

/* The sum of -log softmax(z)_target over n <= SOME examples, `m` apart from class to class, and its gradient times `share`. */
static float some_cross_entropy(const float *z, const int64_t *targets, float *grad, int64_t classes, int64_t m, int64_t n,
                                float share) {
    float loss = 0.0f, most[SOME], sums[SOME] = {0};
    memcpy(most, z, (size_t)n * sizeof(float));
    for (int64_t c = 1; c < classes; c++)
        for (int64_t e = 0; e < n; e++) {
            float other = z[c * m + e];
            most[e] = other > most[e] || other != other ? other : most[e];
        }
    for (int64_t c = 0; c < classes; c++) {
        const float *restrict from = z + c * m;
        float *restrict to = grad + c * m;
        for (int64_t e = 0; e < n; e++) {
            to[e] = vexp(from[e] - most[e]);
            sums[e] += to[e];
        }
    }
    for (int64_t e = 0; e < n; e++) loss += most[e] + vlog(sums[e]) - z[targets[e] * m + e];
    for (int64_t e = 0; e < n; e++) sums[e] = share / sums[e];
    for (int64_t c = 0; c < classes; c++) {
        float *restrict to = grad + c * m;
        for (int64_t e = 0; e < n; e++) to[e] *= sums[e];
    }
    for (int64_t e = 0; e < n; e++) grad[targets[e] * m + e] -= share;
    return loss;
}

/* The mean of -log softmax(z)_target over m examples of z[classes, m], and its gradient; NaN for a target that is no class. */
static float cross_entropy(const float *z, const int64_t *targets, float *grad, int64_t classes, int64_t m) {
    float loss = 0.0f, share = 1.0f / (float)m;
    for (int64_t e = 0; e < m; e++)
        if (targets[e] < 0 || targets[e] >= classes) {
            for (int64_t i = 0; i < classes * m; i++) grad[i] = NAN;
            return NAN;
        }
    for (int64_t e = 0; e < m; e += SOME)
        loss += some_cross_entropy(z + e, targets + e, grad + e, classes, m, m - e < SOME ? m - e : SOME, share);
    return loss * share;
}

/* losses[members] and their gradients for z[members, classes, m]; targets[1 or members, m], `targets_member` apart. */
void evoact_cross_entropy(const float *z, const int64_t *targets, int64_t targets_member, float *losses, float *grad,
                          int64_t members, int64_t classes, int64_t m) {
    for (int64_t k = 0; k < members; k++)
        losses[k] = cross_entropy(z + k * classes * m, targets + k * targets_member, grad + k * classes * m, classes, m);
}

/* A layer's w[members, n, d] and b[members, n] or NULL, their gradients, and what its activations are: coefficients, their
 * gradients (0 on entry) and the terms of all members' rows; no terms for an output. */
typedef struct {
    int64_t n, d;
    const float *w, *b, *c;
    float *gw, *gb, *gc;
    const int32_t *begin;
    const Term *terms;
} Layer;

static float member(int half, const Layer *layers, int64_t count, int64_t k, const float *x, const int64_t *targets, int64_t m,
                    float *values, float *g, float *other, float *room) {
    const float *h = x;
    for (int64_t i = 0; i < count; i++) { /* `values` holds what goes into each function and comes out of it */
        const Layer *l = layers + i;
        evoact_dense_values(half, l->w + k * l->n * l->d, h, i == 0, l->b ? l->b + k * l->n : NULL, values, l->n, l->d, m, room);
        h = values;
        values += l->n * m;
        if (!l->terms) continue;
        evoact_rows_values(k * l->n, (k + 1) * l->n, h, values, l->c, l->begin, l->terms, m);
        h = values;
        values += l->n * m;
    }
    float loss = cross_entropy(h, targets, g, layers[count - 1].n, m);
    for (int64_t i = count - 1; i >= 0; i--) {
        const Layer *l = layers + i;
        float *swap;
        if (l->terms) {
            values -= 2 * l->n * m;
            evoact_rows_gradients(k * l->n, (k + 1) * l->n, g, values, values + l->n * m, other, l->c, l->gc, l->begin,
                                  l->terms, m);
            swap = g, g = other, other = swap;
        } else {
            values -= l->n * m;
        }
        h = i ? values - layers[i - 1].n * m : x;
        evoact_dense_weights(half, g, h, i == 0, l->gw + k * l->n * l->d, l->n, l->d, m, room);
        if (l->b) evoact_dense_biases(g, l->gb + k * l->n, l->n, m);
        if (!i) break;
        evoact_dense_inputs(half, l->w + k * l->n * l->d, g, other, l->n, l->d, m, room);
        swap = g, g = other, other = swap;
    }
    return loss;
}

/* losses[members] of inputs x[1 or members, m, d], `x_member` apart, and targets[1 or members, m]. */
void evoact_mlp(const Layer *layers, int64_t count, const float *x, int64_t x_member, const int64_t *targets,
                int64_t targets_member, float *losses, int64_t members, int64_t m, int half, int threads) {
    int64_t size = 0, widest = 0;
    for (int64_t i = 0; i < count; i++) {
        size += layers[i].n * (layers[i].terms ? 2 : 1);
        widest = layers[i].n > widest ? layers[i].n : widest;
    }
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        /* Apart from each other by more than a multiple of 4096 bytes, at which processors wait. */
        float *values = malloc((size_t)((size + 2 * widest) * m + 512 + evoact_dense_room(widest, half)) * sizeof(float));
        float *g = values + size * m + 64, *other = g + widest * m + 64, *room = other + widest * m + 64;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < members; k++)
            losses[k] = member(half, layers, count, k, x + k * x_member, targets + k * targets_member, m, values, g, other, room);
        free(values);
    }
}
