/* Optimizer updates of a pack's parameter [members, n], each member at its own rate: one pass over memory. */
#include "shares.h"
#include "vector_math.h"

#define BLOCK 8192

static void adam_block(int64_t n, float *restrict p, const float *restrict g, float *restrict m, float *restrict v,
                       float rate, float rest1, float rest2, float keep2, float eps, float weight_decay) {
    for (int64_t i = 0; i < n; i++) {
        float gradient = FMA(weight_decay, p[i], g[i]);
        m[i] = FMA(rest1, gradient - m[i], m[i]);
        v[i] = FMA(rest2 * gradient, gradient, keep2 * v[i]);
        p[i] -= rate * m[i] / (sqrtf(v[i]) + eps);
    }
}

/* Adam (Kingma & Ba 2015, algorithm 1) in the order of operations of section 2's last paragraph: `eps` comes
 * multiplied by sqrt(1 - beta2^t), and each rate by sqrt(1 - beta2^t) / (1 - beta1^t). */
void evoact_adam(float *restrict p, const float *restrict g, float *restrict m, float *restrict v,
                 const float *restrict rates, int64_t members, int64_t n, double beta1, double beta2, float eps,
                 float weight_decay, int threads) {
    /* In single precision 1 - 0.999f would be wrong by 5e-5 of itself. */
    float rest1 = (float)(1.0 - beta1), rest2 = (float)(1.0 - beta2), keep2 = (float)beta2;
    int64_t blocks = (n + BLOCK - 1) / BLOCK; /* of a member, so that one member alone uses all threads, too */
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < members * blocks; q++) {
        int64_t k = q / blocks, start = q % blocks * BLOCK, size = least(n - start, BLOCK);
        int64_t at = k * n + start;
        adam_block(size, p + at, g + at, m + at, v + at, rates[k], rest1, rest2, keep2, eps, weight_decay);
    }
}

static void rmsprop_block(int64_t n, float *restrict p, const float *restrict g, float *restrict v, float rate,
                          float rest, float keep, float eps, float weight_decay) {
    for (int64_t i = 0; i < n; i++) {
        float gradient = FMA(weight_decay, p[i], g[i]);
        v[i] = FMA(rest * gradient, gradient, keep * v[i]);
        p[i] -= rate * gradient / (sqrtf(v[i]) + eps);
    }
}

/* RMSprop (Tieleman & Hinton 2012) without momentum. */
void evoact_rmsprop(float *restrict p, const float *restrict g, float *restrict v, const float *restrict rates,
                    int64_t members, int64_t n, double alpha, float eps, float weight_decay, int threads) {
    float rest = (float)(1.0 - alpha), keep = (float)alpha;
    int64_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t q = 0; q < members * blocks; q++) {
        int64_t k = q / blocks, start = q % blocks * BLOCK, size = least(n - start, BLOCK);
        int64_t at = k * n + start;
        rmsprop_block(size, p + at, g + at, v + at, rates[k], rest, keep, eps, weight_decay);
    }
}
