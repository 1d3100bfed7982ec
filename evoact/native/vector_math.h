/* Elementary functions in single precision, written so that compilers turn loops over them into vector
 * instructions: no branches, no calls, no tables. Each is within 3 units in the last place unless its
 * comment says otherwise. NaN in, NaN out.
 *
 * exp, expm1, sin, cos: argument reduction by Cody & Waite 1980, then a polynomial on the small interval
 * (for sin and cos the coefficients of Cephes, Moshier 1989; for exp fitted by Lawson 1961's reweighting).
 */
#ifndef EVOACT_VECTOR_MATH_H
#define EVOACT_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

/* a * b + c, rounded once where the processor can. The compiler may not choose by itself (-ffp-contract=off):
 * an element's result must not depend on whether it falls into a vector or into the rest of a loop. */
#ifdef __FMA__
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif

typedef union {
    float f;
    uint32_t u;
    int32_t i;
} Bits;

/* x, or the largest number of its sign that is allowed; that of NaN's sign for NaN. Minimum and maximum of
 * integers are instructions, where comparisons of floats would become branches for the sake of NaN, which compilers
 * then carry through all that follows. */
INLINE float limited(float x, float largest) {
    Bits value = {.f = x}, bound = {.f = largest};
    int32_t sign = value.i & INT32_MIN, size = value.i & INT32_MAX;
    value.i = (size < bound.i ? size : bound.i) | sign;
    return value.f;
}

/* Adding 1.5 * 2^23 rounds to the nearest integer, which then is what the last bits of the sum say. */
#define ROUNDING 12582912.0f

/* x = n log(2) + r, |r| <= log(2) / 2, for |x| < 89: returns e^r - 1, and 2^(n - 127 + `bias`) in `power`, whose
 * exponent stands in the last bits of the rounded sum. A polynomial of least largest relative error, 1.3e-8. */
INLINE float reduced_expm1(float x, float bias, float *power) {
    float sum = FMA(x, 1.44269504f, ROUNDING + bias);
    Bits exponent = {.f = sum};
    float n = sum - (ROUNDING + bias);
    float r = FMA(n, 2.12194440e-4f, FMA(n, -0.693359375f, x));
    float p = 1.38825215e-3f;
    p = FMA(p, r, 8.36652058e-3f);
    p = FMA(p, r, 4.16671999e-2f);
    p = FMA(p, r, 1.66665436e-1f);
    p = FMA(p, r, 0.5f);
    exponent.u <<= 23;
    *power = exponent.f;
    return FMA(p * r, r, r);
}

/* From the smallest normal number (x = -87.3365) to the largest (x = 88.7228); below it is 0. Of 2^n with n from -126
 * to 128 one exponent does not exist, so that above 0 half of it is taken twice. */
INLINE float vexp(float x) {
    float power, bias = x < 0.0f ? 127.0f : 126.0f, times = x < 0.0f ? 1.0f : 2.0f;
    float e = (reduced_expm1(limited(x, 88.73f), bias, &power) + 1.0f) * power * times;
    e = x <= 88.73f ? e : x * INFINITY;
    return x < -87.33654f ? 0.0f : e;
}

/* For |x| <= 88. */
INLINE float small_expm1(float x) {
    float power, e = reduced_expm1(x, 127.0f, &power);
    return FMA(e, power, power - 1.0f);
}

/* For x <= 0. */
INLINE float vexpm1(float x) {
    float e = small_expm1(limited(x, 20.0f));
    return x == x ? e : x;
}

INLINE float vtanh(float x) {
    float e = small_expm1(2.0f * limited(fabsf(x), 10.0f));
    float y = copysignf(e / (e + 2.0f), x);
    return x == x ? y : x;
}

/* 1 / (1 + e^-x) */
INLINE float vlogistic(float x) { return 1.0f / (1.0f + vexp(-x)); }

/* log(x) of a positive, normal number, to 1e-7 of itself or of 1: of 2^n z with z around 1 by the polynomial of Cephes. */
INLINE float vlog(float x) {
    Bits bits = {.f = x};
    int32_t above = bits.i - 0x3f3504f3; /* sqrt(1/2) */
    float n = (float)(above >> 23);
    bits.i = (above & 0x7fffff) + 0x3f3504f3;
    float z = bits.f - 1.0f, q = z * z;
    float p = 7.0376836292e-2f;
    p = FMA(p, z, -1.1514610310e-1f);
    p = FMA(p, z, 1.1676998740e-1f);
    p = FMA(p, z, -1.2420140846e-1f);
    p = FMA(p, z, 1.4249322787e-1f);
    p = FMA(p, z, -1.6668057665e-1f);
    p = FMA(p, z, 2.0000714765e-1f);
    p = FMA(p, z, -2.4999993993e-1f);
    p = FMA(p, z, 3.3333331174e-1f);
    p = FMA(p * z, q, FMA(-0.5f, q, z));
    return FMA(n, 0.693147181f, p);
}

/* log(1 + u) for 0 <= u <= 1: 2 artanh(u / (2 + u)) by its Taylor series, remainder below 2e-8. */
INLINE float vlog1p_unit(float u) {
    float s = u / (2.0f + u), q = s * s;
    float p = 1.0f / 15.0f;
    p = FMA(p, q, 1.0f / 13.0f);
    p = FMA(p, q, 1.0f / 11.0f);
    p = FMA(p, q, 1.0f / 9.0f);
    p = FMA(p, q, 1.0f / 7.0f);
    p = FMA(p, q, 1.0f / 5.0f);
    p = FMA(p, q, 1.0f / 3.0f);
    return 2.0f * s * FMA(p, q, 1.0f);
}

/* Within 4 units in the last place. */
INLINE float vsoftplus(float x) { return (x > 0.0f ? x : (x == x ? 0.0f : x)) + vlog1p_unit(vexp(-fabsf(x))); }

/* sin(x + quarter * pi / 2) for |x| up to LARGEST_ANGLE; beyond, callers use the C library. */
#define LARGEST_ANGLE 20000.0f

INLINE float vsin_shifted(float x, uint32_t quarter) {
    Bits sum = {.f = x * 0.636619772f + ROUNDING};
    float n = sum.f - ROUNDING;
    float r = FMA(n, -1.5703125f, x);
    r = FMA(n, -4.83751297e-4f, r);
    r = FMA(n, -7.54978942e-8f, r);
    r = FMA(n, -5.39030295e-15f, r);
    float q = r * r;
    float s = FMA(FMA(FMA(-1.9515296e-4f, q, 8.3321609e-3f), q, -1.6666655e-1f) * q, r, r);
    float c = FMA(FMA(2.4433157e-5f, q, -1.3887316e-3f), q, 4.1666646e-2f);
    c = FMA(c * q, q, FMA(-0.5f, q, 1.0f));
    uint32_t k = sum.u + quarter;
    float v = (k & 1) ? c : s;
    return (k & 2) ? -v : v;
}

/* The normal distribution function of x, given `bell` = e^(-x^2 / 2). Its upper tail is the bell times a polynomial in
 * t = 1 / (1 + |x| / 8^0.5), as in Abramowitz & Stegun 1964, 7.1.26, of least largest relative error, 4.3e-8; with the
 * bell's, which grows with x^2, it is below 1e-6 for |x| < 5. */
INLINE float vnormal_cdf(float x, float bell) {
    float t = 1.0f / FMA(0.353553391f, fabsf(x), 1.0f);
    float p = -5.90679834e-2f;
    p = FMA(p, t, 2.84570664e-1f);
    p = FMA(p, t, -4.87191939e-1f);
    p = FMA(p, t, 2.78059105e-1f);
    p = FMA(p, t, -2.66208174e-2f);
    p = FMA(p, t, 2.02685102e-1f);
    p = FMA(p, t, 2.43104142e-1f);
    p = FMA(p, t, 2.82375265e-1f);
    p = FMA(p, t, 2.82086420e-1f);
    float upper = 0.5f * t * p * bell;
    return x < 0.0f ? upper : 1.0f - upper;
}

#endif
