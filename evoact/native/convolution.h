/* What a convolution is: what `convolution.c` and `winograd.c` share. */
#ifndef EVOACT_CONVOLUTION_H
#define EVOACT_CONVOLUTION_H

#include <stdint.h>

typedef struct {
    int64_t members, groups, inputs, outputs; /* channels: of one group */
    int64_t height, width, examples, out_height, out_width;
    int64_t size, stride, padding;
    int64_t shared; /* whether all members have the same images */
    int64_t half;   /* whether factors are rounded to bf16 */
} Shape;

/* Whether the functions below take a shape and need less time than a product with its columns; `backward` for gradients
 * for x. */
int evoact_winograd_takes(const Shape *s, int backward);

/* y of x; of gradients for y, `backward`, those for x. Both return 0, or NO_ROOM of `shares.h`. */
int evoact_winograd(const Shape *s, int backward, const float *x, const float *w, const float *bias, float *y, int threads);

/* The gradients for weights and biases of those for y. */
int evoact_winograd_weights(const Shape *s, const float *g, const float *x, float *gw, float *gb, int threads);

#endif
