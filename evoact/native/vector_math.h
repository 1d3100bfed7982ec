/* Elementary functions in single precision, written so that compilers turn loops over them into vector
 * instructions: no branches, no calls, no tables. Each is within 3 units in the last place unless its
 * comment says otherwise. NaN in, NaN out.
 *
 * exp, expm1, sin, cos: argument reduction by Cody & Waite 1980, then a polynomial on the small interval
 * (for sin and cos the coefficients of Cephes, Moshier 1989).
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

/* Adding and subtracting 1.5 * 2^23 rounds to the nearest integer. */
INLINE float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }

/* 2^n for an integer n from -127 (which gives 0) to 127. */
INLINE float power_of_two(float n) {
    union { int32_t i; float f; } u;
    u.i = ((int32_t)n + 127) << 23;
    return u.f;
}

/* (e^r - 1) / r - 1 over r, on |r| <= log(2) / 2: the Taylor polynomial, whose remainder is below 1e-8. */
INLINE float expm1_tail(float r) {
    float p = 1.9841270e-4f;
    p = FMA(p, r, 1.3888889e-3f);
    p = FMA(p, r, 8.3333333e-3f);
    p = FMA(p, r, 4.1666667e-2f);
    p = FMA(p, r, 1.6666667e-1f);
    return FMA(p, r, 0.5f);
}

INLINE float vexp(float x) {
    float clamped = x < -87.3f ? -87.3f : (x > 88.7f ? 88.7f : x);
    float n = nearest(clamped * 1.44269504f);
    float r = FMA(n, 2.12194440e-4f, FMA(n, -0.693359375f, clamped));
    float half = power_of_two(n - 1.0f); /* 2^n itself would overflow at n = 128 */
    float e = (FMA(expm1_tail(r) * r, r, r) + 1.0f) * half * 2.0f;
    e = x > 88.72f ? INFINITY : e;
    return x < -87.3f ? 0.0f : e;
}

/* For x <= 88. */
INLINE float vexpm1(float x) {
    float clamped = x < -20.0f ? -20.0f : (x > 88.0f ? 88.0f : x);
    float n = nearest(clamped * 1.44269504f);
    float r = FMA(n, 2.12194440e-4f, FMA(n, -0.693359375f, clamped));
    float scale = power_of_two(n);
    return FMA(FMA(expm1_tail(r) * r, r, r), scale, scale - 1.0f);
}

INLINE float vtanh(float x) {
    float a = fabsf(x);
    float e = vexpm1(2.0f * (a > 10.0f ? 10.0f : a));
    return copysignf(e / (e + 2.0f), x);
}

/* 1 / (1 + e^-x) */
INLINE float vlogistic(float x) { return 1.0f / (1.0f + vexp(-x)); }

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

INLINE float vsoftplus(float x) { return (x > 0.0f ? x : (x == x ? 0.0f : x)) + vlog1p_unit(vexp(-fabsf(x))); }

/* sin(x + quarter * pi / 2) for |x| up to LARGEST_ANGLE; beyond, callers use the C library. */
#define LARGEST_ANGLE 20000.0f

INLINE float vsin_shifted(float x, int32_t quarter) {
    float n = nearest(x * 0.636619772f);
    float r = FMA(n, -1.5703125f, x);
    r = FMA(n, -4.83751297e-4f, r);
    r = FMA(n, -7.54978942e-8f, r);
    r = FMA(n, -5.39030295e-15f, r);
    float q = r * r;
    float s = FMA(FMA(FMA(-1.9515296e-4f, q, 8.3321609e-3f), q, -1.6666655e-1f) * q, r, r);
    float c = FMA(FMA(2.4433157e-5f, q, -1.3887316e-3f), q, 4.1666646e-2f);
    c = FMA(c * q, q, FMA(-0.5f, q, 1.0f));
    int32_t k = (int32_t)n + quarter;
    float v = (k & 1) ? c : s;
    return (k & 2) ? -v : v;
}

/* The normal distribution function, by Chebyshev fitting of erfc (Press et al. 1992, section 6.2;
 * relative error below 1.2e-7). */
INLINE float vnormal_cdf(float x) {
    float z = fabsf(x) * 0.707106781f;
    float t = 1.0f / FMA(0.5f, z, 1.0f);
    float p = 0.17087277f;
    p = FMA(p, t, -0.82215223f);
    p = FMA(p, t, 1.48851587f);
    p = FMA(p, t, -1.13520398f);
    p = FMA(p, t, 0.27886807f);
    p = FMA(p, t, -0.18628806f);
    p = FMA(p, t, 0.09678418f);
    p = FMA(p, t, 0.37409196f);
    p = FMA(p, t, 1.00002368f);
    p = FMA(p, t, -1.26551223f);
    float upper = 0.5f * t * vexp(FMA(-z, z, p));
    return x < 0.0f ? upper : 1.0f - upper;
}

#endif
