/* Threads that share work: a caller and its helpers, who spin for microseconds and then sleep. */
#ifndef BARK_POOL_H
#define BARK_POOL_H

#pragma GCC visibility push(hidden)

typedef void Work(const void *what, int job, int thread);

/* Take the helpers for as long as a call lasts; where another call has them, or there are none, it works alone. */
void gather_helpers(int threads);
void dismiss_helpers(void);

/* How many would share now, the caller included: one in a job, whose own calls of share() it does alone. */
int team_size(void);

/* Do jobs 0 .. count, in any order, and return when all are done. The caller waits for nobody who has not begun: a
 * helper that sleeps, or whose core is busy, costs nothing but its help. `thread` is below team_size(). */
void share(int count, Work *work, const void *what);

/* share(), where a job is a run of `each` things out of `count`: how many runs there are. */
static inline int runs(int count, int each) { return (count + each - 1) / each; }

#pragma GCC visibility pop

#endif
