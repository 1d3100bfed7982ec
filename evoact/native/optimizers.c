/* Optimizer updates of a pack's parameter [members, n], each member at its own rate: one pass over memory. */
#include "vector_math.h"

/* Adam (Kingma & Ba 2015, algorithm 1) in the order of operations of section 2's last paragraph: `eps` comes
 * multiplied by sqrt(1 - beta2^t), and each rate by sqrt(1 - beta2^t) / (1 - beta1^t). */
void evoact_adam(float *restrict p, const float *restrict g, float *restrict m, float *restrict v,
                 const float *restrict rates, int64_t members, int64_t n, double beta1, double beta2, float eps,
                 float weight_decay, int threads) {
    /* In single precision 1 - 0.999f would be wrong by 5e-5 of itself. */
    float rest1 = (float)(1.0 - beta1), rest2 = (float)(1.0 - beta2), keep2 = (float)beta2;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t k = 0; k < members; k++) {
        float rate = rates[k];
        float *restrict pk = p + k * n, *restrict mk = m + k * n, *restrict vk = v + k * n;
        const float *restrict gk = g + k * n;
        for (int64_t i = 0; i < n; i++) {
            float gradient = FMA(weight_decay, pk[i], gk[i]);
            mk[i] = FMA(rest1, gradient - mk[i], mk[i]);
            vk[i] = FMA(rest2 * gradient, gradient, keep2 * vk[i]);
            pk[i] -= rate * mk[i] / (sqrtf(vk[i]) + eps);
        }
    }
}
