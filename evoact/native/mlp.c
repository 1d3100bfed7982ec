/* Losses and gradients of multi-layer perceptrons, one member after the other, so that what a member's layers give stays in
 * the second-level cache. The same functions as those of single layers: the same bits. */
#include <stdlib.h>
#include <string.h>

#include "activations.h"
#include "dense.h"
#include "pieces.h"
#include "shares.h"
#include "vector_math.h"

#define SOME 512 /* examples at a time */
#define APART 64 /* floats between arrays: processors wait at addresses a multiple of 4096 bytes apart */

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
        loss += some_cross_entropy(z + e, targets + e, grad + e, classes, m, least(m - e, SOME), share);
    return loss * share;
}

/* losses[members] and their gradients for z[members, classes, m]; targets[1 or members, m], `targets_member` apart. */
void evoact_cross_entropy(const float *z, const int64_t *targets, int64_t targets_member, float *losses, float *grad,
                          int64_t members, int64_t classes, int64_t m) {
    for (int64_t k = 0; k < members; k++)
        losses[k] = cross_entropy(z + k * classes * m, targets + k * targets_member, grad + k * classes * m, classes, m);
}

/* A layer's w[members, n * pieces, d] and b[members, n * pieces] or NULL, their gradients, and what its activations are:
 * coefficients, their gradients (0 on entry), the terms of all members' rows, and the units of member k, from units[unit_begin[k]]
 * on, whose neurons are in `list`; no pieces for an output. */
typedef struct {
    int64_t n, d, pieces;
    const float *w, *b, *c;
    float *gw, *gb, *gc;
    const int32_t *begin;
    const Term *terms;
    const int32_t *unit_begin;
    const Unit *units;
    const int32_t *list;
} Layer;

/* What a member is computed in: the layers' numbers one after the other, gradients, and room for products and units. */
typedef struct {
    float *values, *g, *other, *room, *unit_room;
} Place;

static int64_t largest(int64_t a, int64_t b) { return a > b ? a : b; }

/* A layer's pre-activations, what its units keep, and its activations, at h. */
typedef struct {
    float *z, *kept, *h;
} Values;

/* Floats that a member's units keep. */
static int64_t kept_of(const Layer *l, int64_t k, int64_t m) {
    int64_t sum = 0;
    for (int32_t i = l->unit_begin[k]; i < l->unit_begin[k + 1]; i++)
        sum += evoact_unit_kept(l->units + i, m);
    return sum;
}

/* The list of a unit's neurons, none if it has all of them in their order. */
static const int32_t *list_of(const Layer *l, const Unit *u) { return u->rows == l->n ? NULL : l->list + u->first; }

static void activations(const Layer *l, int64_t k, Values v, int64_t m, Place p) {
    int64_t start = k * l->n, stop = start + l->n;
    if (l->begin[stop] > l->begin[start])
        evoact_rows_values(start, stop, v.z, v.h, l->c, l->begin, l->terms, l->pieces, m);
    for (int32_t i = l->unit_begin[k]; i < l->unit_begin[k + 1]; i++) {
        const Unit *u = l->units + i;
        evoact_unit_values(u, list_of(l, u), v.z, l->pieces, l->c, v.h, v.kept, m, p.unit_room);
        v.kept += evoact_unit_kept(u, m);
    }
}

static void activation_gradients(const Layer *l, int64_t k, Values v, int64_t m, Place p) {
    int64_t start = k * l->n, stop = start + l->n;
    if (l->begin[stop] > l->begin[start])
        evoact_rows_gradients(start, stop, p.g, v.z, v.h, p.other, l->c, l->gc, l->begin, l->terms, l->pieces, m);
    for (int32_t i = l->unit_begin[k]; i < l->unit_begin[k + 1]; i++) {
        const Unit *u = l->units + i;
        evoact_unit_gradients(u, list_of(l, u), p.g, v.z, l->pieces, v.kept, l->c, p.other, l->gc, m, p.unit_room);
        v.kept += evoact_unit_kept(u, m);
    }
}

/* Whether all of a member's neurons are maxout of all pieces: only one piece of each has a gradient. */
static int is_picked(const Layer *l, int64_t k) {
    if (!l->pieces || l->unit_begin[k + 1] - l->unit_begin[k] != 1) return 0;
    const Unit *u = l->units + l->unit_begin[k];
    return u->kind == LARGEST && u->rows == l->n && u->pieces == l->pieces;
}

/* Gradients for weights and biases of a layer with inputs h, and for these in g. */
static void picked_gradients(const Layer *l, int64_t k, const float *h, int is_first, Values v, int64_t m, Place p) {
    int64_t rows = l->n * l->pieces;
    const uint8_t *which = (const uint8_t *)v.kept;
    evoact_picked_weights(p.g, which, h, is_first, l->gw + k * rows * l->d, l->n, l->pieces, l->d, m, p.unit_room);
    if (l->b) evoact_picked_biases(p.g, which, l->gb + k * rows, l->n, l->pieces, m);
    if (is_first) return;
    evoact_picked_inputs(l->w + k * rows * l->d, p.g, which, p.other, l->n, l->pieces, l->d, m, p.unit_room);
}

static float member(int half, const Layer *layers, int64_t count, int64_t k, const float *x, const int64_t *targets, int64_t m,
                    Values *v, Place p) {
    const float *h = x;
    for (int64_t i = 0; i < count; i++) {
        const Layer *l = layers + i;
        int64_t rows = l->n * largest(l->pieces, 1);
        v[i].z = v[i].h = p.values;
        p.values += rows * m;
        evoact_dense_values(half, l->w + k * rows * l->d, h, i == 0, l->b ? l->b + k * rows : NULL, v[i].z, rows, l->d, m, p.room);
        if (l->pieces) {
            v[i].h = p.values;
            v[i].kept = p.values += l->n * m;
            p.values += kept_of(l, k, m);
            activations(l, k, v[i], m, p);
        }
        h = v[i].h;
    }
    float loss = cross_entropy(h, targets, p.g, layers[count - 1].n, m);
    for (int64_t i = count - 1; i >= 0; i--) {
        const Layer *l = layers + i;
        int64_t rows = l->n * largest(l->pieces, 1);
        float *swap;
        h = i ? v[i - 1].h : x;
        if (!half && is_picked(l, k)) {
            picked_gradients(l, k, h, i == 0, v[i], m, p);
            swap = p.g, p.g = p.other, p.other = swap;
            continue;
        }
        if (l->pieces) {
            activation_gradients(l, k, v[i], m, p);
            swap = p.g, p.g = p.other, p.other = swap;
        }
        evoact_dense_weights(half, p.g, h, i == 0, l->gw + k * rows * l->d, rows, l->d, m, p.room);
        if (l->b) evoact_dense_biases(p.g, l->gb + k * rows, rows, m);
        if (!i) break;
        evoact_dense_inputs(half, l->w + k * rows * l->d, p.g, p.other, rows, l->d, m, p.room);
        swap = p.g, p.g = p.other, p.other = swap;
    }
    return loss;
}

/* losses[members] of inputs x[1 or members, m, d], `x_member` apart, and targets[1 or members, m]. */
int evoact_mlp(const Layer *layers, int64_t count, const float *x, int64_t x_member, const int64_t *targets,
               int64_t targets_member, float *losses, int64_t members, int64_t m, int half, int threads) {
    int64_t size = 0, widest = 0, unit_room = 0;
    for (int64_t i = 0; i < count; i++) {
        const Layer *l = layers + i;
        int64_t kept = 0;
        for (int64_t k = 0; l->pieces && k < members; k++) kept = largest(kept, kept_of(l, k, m));
        size += l->n * (l->pieces + 1) * m + kept;
        widest = largest(widest, l->n * largest(l->pieces, 1));
        for (int32_t j = 0; l->pieces && j < l->unit_begin[members]; j++)
            unit_room = largest(unit_room, largest(evoact_unit_room(l->units + j, m), evoact_picked_room(l->pieces, m)));
    }
    int64_t room = evoact_dense_room(widest, half), all = size + 2 * widest * m + room + unit_room + 5 * APART;
    float *rooms = malloc((size_t)(threads * all) * sizeof(float));
    if (!rooms) return NO_ROOM;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        Place p = {.values = rooms + t * all};
        p.g = p.values + size + APART, p.other = p.g + widest * m + APART, p.room = p.other + widest * m + APART;
        p.unit_room = p.room + room + APART;
        Values v[count];
        for (int64_t k = share(members, t, threads); k < share(members, t + 1, threads); k++)
            losses[k] = member(half, layers, count, k, x + k * x_member, targets + k * targets_member, m, v, p);
    }
    free(rooms);
    return 0;
}
