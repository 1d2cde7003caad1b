/* The one team of this process. See pool.h.
 *
 * What is to be done stands in one number, the ticket: a round, how many jobs it has and which is next. Who raises it
 * by one has that job. So nobody can take a job of a round that is over, and a late helper finds nothing to do.
 */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include "network.h"

#define SPIN 2000 /* looks at the ticket, of some 20 ns each, before a helper sleeps: longer than a gap in a step */
#define BITS 20   /* of the next job's number, and of how many there are */
#define MASK ((1u << BITS) - 1)

static _Atomic uint64_t ticket;
static atomic_int done, sleeping;
static Work *volatile work_now; /* written before the ticket, read after a job was taken */
static const void *volatile what_now;
static int team = 1; /* the caller's, who holds `busy` */
static atomic_int wanted; /* helpers of the round */
static atomic_int callers = 1; /* at the same time, who have one processor each of those that are lent */
static int hired;         /* helpers that were started */
static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER, bed = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t alarm_clock = PTHREAD_COND_INITIALIZER;

static _Thread_local int have_helpers, in_job;

static inline void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static inline uint32_t round_of(uint64_t t) { return (uint32_t)(t >> (2 * BITS)); }

/* Whether a round has a job left for a thread: those beyond its team have none, even if they come late from a larger
 * one. `wanted` is read after the ticket that follows it, and stays as it is while the round has jobs. */
static inline int has_job(uint64_t now, int thread) {
    return (now & MASK) < (now >> BITS & MASK) && thread <= atomic_load_explicit(&wanted, memory_order_relaxed);
}

/* Take jobs of the round that is on, until none is left. */
static void take_jobs(int thread) {
    uint64_t now = atomic_load_explicit(&ticket, memory_order_acquire);
    while (has_job(now, thread)) {
        if (!atomic_compare_exchange_weak_explicit(&ticket, &now, now + 1, memory_order_acq_rel, memory_order_acquire))
            continue;
        in_job = 1;
        work_now(what_now, (int)(now & MASK), thread);
        in_job = 0;
        atomic_fetch_add_explicit(&done, 1, memory_order_release);
        now = atomic_load_explicit(&ticket, memory_order_acquire);
    }
}

/* Wait for another round than `seen`. */
static void await_round(uint32_t seen) {
    for (int look = 0; look < SPIN; look++) {
        if (round_of(atomic_load_explicit(&ticket, memory_order_relaxed)) != seen) return;
        pause_briefly();
    }
    pthread_mutex_lock(&bed);
    atomic_fetch_add(&sleeping, 1);
    while (round_of(atomic_load(&ticket)) == seen) pthread_cond_wait(&alarm_clock, &bed);
    atomic_fetch_sub(&sleeping, 1);
    pthread_mutex_unlock(&bed);
}

static void *help(void *number) {
    int thread = (int)(intptr_t)number;
    for (uint32_t seen = 0;;) {
        await_round(seen);
        seen = round_of(atomic_load_explicit(&ticket, memory_order_acquire));
        take_jobs(thread);
    }
    return NULL;
}

/* A child process has the caller alone. */
static void forget_helpers(void) {
    hired = 0, team = 1;
    atomic_store(&sleeping, 0);
    pthread_mutex_init(&busy, NULL);
    pthread_mutex_init(&bed, NULL);
    pthread_cond_init(&alarm_clock, NULL);
}

static void hire(int helpers) {
    static int watched = 0;
    if (!watched) watched = pthread_atfork(NULL, NULL, forget_helpers) == 0;
    while (hired < helpers) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, help, (void *)(intptr_t)(hired + 1))) return;
        pthread_detach(thread);
        hired++;
    }
}

void bark_expect(int32_t count) { atomic_store(&callers, count < 1 ? 1 : count); }

void gather_helpers(int threads) {
    have_helpers = 0;
    threads /= atomic_load_explicit(&callers, memory_order_relaxed);
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    if (threads <= 1 || pthread_mutex_trylock(&busy)) return;
    hire(threads - 1);
    have_helpers = 1;
    team = hired + 1 < threads ? hired + 1 : threads;
    atomic_store(&wanted, team - 1);
}

void dismiss_helpers(void) {
    if (!have_helpers) return;
    have_helpers = 0;
    pthread_mutex_unlock(&busy);
}

int team_size(void) { return have_helpers && !in_job ? team : 1; }

void share(int count, Work *work, const void *what) {
    if (team_size() == 1 || count < 2) {
        for (int job = 0; job < count; job++) work(what, job, 0);
        return;
    }
    work_now = work, what_now = what;
    atomic_store_explicit(&done, 0, memory_order_relaxed);
    uint64_t next = (uint64_t)(round_of(atomic_load(&ticket)) + 1) << (2 * BITS) | (uint64_t)count << BITS;
    atomic_store(&ticket, next); /* sequentially consistent: either we see who sleeps, or they see the round */
    if (atomic_load(&sleeping)) {
        pthread_mutex_lock(&bed);
        pthread_cond_broadcast(&alarm_clock);
        pthread_mutex_unlock(&bed);
    }
    take_jobs(0);
    for (int look = 0; atomic_load_explicit(&done, memory_order_acquire) < count; look++)
        if (look < SPIN) pause_briefly();
        else sched_yield(); /* whoever has the last job may be waiting for this very core */
}
