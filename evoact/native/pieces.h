/* Units of several pre-activations a neuron, the pieces, and of one with parameters: what `mlp.c` needs of `pieces.c`. */
#ifndef EVOACT_PIECES_H
#define EVOACT_PIECES_H

#include "activations.h"

/* Of pieces z_i: the largest; (1 / pieces sum_i |z_i - c_i|^p)^(1 / p), where p comes after c; f(sum_i v_i f(z_i) + d), where
 * d comes after v. Of one: those of `units.c`. */
enum { LARGEST, NORM, NETWORK, RATIONAL, HINGES };

/* Neurons with the same parameters: `rows` of a layer, whose numbers begin at `first` in a list, or all in their order if there
 * is no list; `numbers` is where the parameters begin, none for LARGEST; `top` and `bottom` are degrees, or `top` how many hinges. */
typedef struct {
    int32_t kind, pieces, rows, first, numbers, top, bottom;
    Term f;
} Unit;

/* Floats that the functions below keep for each other; of LARGEST that is which piece it is, a byte of each [rows, m]. */
int64_t evoact_unit_kept(const Unit *u, int64_t m);

/* Floats that they work in. */
int64_t evoact_unit_room(const Unit *u, int64_t m);

/* y[neurons, m] of a unit's neurons from x[neurons, apart, m], of which `pieces` count. */
void evoact_unit_values(const Unit *u, const int32_t *list, const float *x, int64_t apart, const float *c, float *y, float *kept,
                        int64_t m, float *room);

/* gx[neurons, apart, m] from g[neurons, m] and what was kept, which is used up; gc grows. */
void evoact_unit_gradients(const Unit *u, const int32_t *list, const float *g, const float *x, int64_t apart, float *kept,
                           const float *c, float *gx, float *gc, int64_t m, float *room);

#endif
