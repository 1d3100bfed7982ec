/* Terms of rows, and one of them evaluated: what other files need of `activations.c`. */
#ifndef EVOACT_ACTIVATIONS_H
#define EVOACT_ACTIVATIONS_H

#include <stdint.h>

/* A term oa * f(ia * x) + shift of a row, and where its coefficient stands; below 0 that is 1. ALONE: the row's
 * result is that of the function; SPLINED: the row has a spline besides, and all of it is left to `spline.c`. */
enum { ALONE = -1, SPLINED = -2 };
typedef struct {
    int32_t function, coefficient;
    float input_scale, output_scale, shift;
} Term;

#define TERM_PIECE 512 /* a multiple of 16 */

/* A term without its coefficient, at up to TERM_PIECE elements. */
void evoact_term_value(const Term *t, int n, const float *x, float *y);

/* A term without its coefficient, and its derivative, at up to TERM_PIECE elements. */
void evoact_term(const Term *t, int n, const float *x, float *y, float *slope);

/* The functions of rows start .. stop, one by one, of x[rows, pieces, m], of which the first piece counts, and y[rows, m], which
 * point to row `start`; backward grad_c grows. */
void evoact_rows_values(int64_t start, int64_t stop, const float *x, float *y, const float *c, const int32_t *begin,
                        const Term *terms, int64_t pieces, int64_t m);
void evoact_rows_gradients(int64_t start, int64_t stop, const float *g, const float *x, const float *y, float *grad_x,
                           const float *c, float *grad_c, const int32_t *begin, const Term *terms, int64_t pieces, int64_t m);

/* Whether of two numbers of row r the larger has the larger function, or both have the same without any slope: comparing the
 * numbers is as good. */
int evoact_row_keeps_order(int64_t r, const int32_t *begin, const Term *terms);

#endif
