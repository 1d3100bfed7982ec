/* How loops are shared out: among threads, each with room of its own, and into pieces that stay in the cache. */
#ifndef EVOACT_SHARES_H
#define EVOACT_SHARES_H

#include <stdint.h>

/* What a kernel returns if there is no memory for its rooms: it has written nothing, and `call` in `library.py` raises.
 * Otherwise it returns 0. */
enum { NO_ROOM = -1 };

/* Where a thread's share of `all` begins. */
static inline int64_t share(int64_t all, int64_t thread, int64_t threads) { return all * thread / threads; }

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

#endif
