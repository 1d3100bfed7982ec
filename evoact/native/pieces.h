/* Units of several pre-activations a neuron, the pieces: what `mlp.c` needs of `pieces.c`. */
#ifndef EVOACT_PIECES_H
#define EVOACT_PIECES_H

#include "activations.h"

/* Of pieces z_i: the largest; (1 / pieces sum_i |z_i - c_i|^p)^(1 / p), where p comes after c; f(sum_i v_i f(z_i) + d), where
 * d comes after v. */
enum { LARGEST, NORM, NETWORK };

/* Neurons with the same parameters: `rows` of a layer, whose numbers begin at `first` in a list, or all in their order if there
 * is no list; `numbers` is where the parameters begin, none for LARGEST. */
typedef struct {
    int32_t kind, pieces, rows, first, numbers;
    Term f;
} Unit;

/* How many slots the functions below need, in which they keep [neurons, m] for each other. */
int64_t evoact_unit_kept(const Unit *u);

/* Floats that they work in. */
int64_t evoact_unit_room(const Unit *u);

/* y[neurons, m] of a unit's neurons from x[neurons, apart, m], of which `pieces` count. What the gradients need of x, but which
 * piece is the largest, replaces it; the rest goes to kept[neurons, slots, m]. */
void evoact_unit_values(const Unit *u, const int32_t *list, float *x, int64_t apart, const float *c, float *y, float *kept,
                        int64_t slots, int64_t m, float *room);

/* gx[neurons, apart, m] from g[neurons, m], x and `kept`; gc grows. */
void evoact_unit_gradients(const Unit *u, const int32_t *list, const float *g, const float *x, int64_t apart, const float *kept,
                           int64_t slots, const float *c, float *gx, float *gc, int64_t m, float *room);

/* gx[sets, pieces, n], g[sets, n] at the largest piece. */
void evoact_largest_backward(const float *g, const uint8_t *which, float *gx, int64_t sets, int64_t pieces, int64_t n,
                             int threads);

#endif
