/* Products of one member's matrices: what `mlp.c` needs of `dense.c`. */
#ifndef EVOACT_DENSE_H
#define EVOACT_DENSE_H

#include <stdint.h>

/* Floats that each of the functions below works in, for up to `most` rows; `half` for products in bf16. */
int64_t evoact_dense_room(int64_t most, int half);

/* y[n, m] = w[n, d] x[d, m] + bias[n], which may be NULL. With `across`, x lies as [m, d]. */
void evoact_dense_values(int half, const float *w, const float *x, int across, const float *bias, float *y, int64_t n, int64_t d,
                         int64_t m, float *room);

/* gx[d, m] = w^T g. */
void evoact_dense_inputs(int half, const float *w, const float *g, float *gx, int64_t n, int64_t d, int64_t m, float *room);

/* gw[n, d] = g x^T. */
void evoact_dense_weights(int half, const float *g, const float *x, int across, float *gw, int64_t n, int64_t d, int64_t m,
                          float *room);

/* gb[n], the sums over the rows of g[n, m]. */
void evoact_dense_biases(const float *g, float *gb, int64_t n, int64_t m);

/* The same, bit by bit, for g[n * pieces, m] that is 0 but for one of each neuron's rows, `which[neuron, example]`, as
 * g[n, m] says; in single precision. `room` has evoact_picked_room floats. */
int64_t evoact_picked_room(int64_t pieces, int64_t m);
void evoact_picked_inputs(const float *w, const float *g, const uint8_t *which, float *gx, int64_t n,
                          int64_t pieces, int64_t d, int64_t m, float *room);
void evoact_picked_weights(const float *g, const uint8_t *which, const float *x, int across, float *gw, int64_t n,
                           int64_t pieces, int64_t d, int64_t m, float *room);
void evoact_picked_biases(const float *g, const uint8_t *which, float *gb, int64_t n, int64_t pieces, int64_t m);

#endif
