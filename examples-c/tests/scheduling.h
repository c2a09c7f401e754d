/* How long the system let threads wait for a processor that they were ready to use: what a machine
   with other work adds to every deadline, and no fault of the program's. */
#ifndef SCHEDULING_H
#define SCHEDULING_H

#include <stdint.h>
#include <sys/types.h>

enum { MOST_DELAY_SAMPLES = 65536 };

typedef struct {
    pid_t pid; /* the process whose threads count, besides the one that samples */
    size_t count;
    int64_t times[MOST_DELAY_SAMPLES];  /* milliseconds */
    int64_t delays[MOST_DELAY_SAMPLES]; /* nanoseconds, since the threads began */
} delays_t;

/* Takes a sample, unless the last one is younger than a millisecond. */
void sample_delays(delays_t *delays);

/* Milliseconds within which all threads together waited, between the last sample before one moment
   and the first one after another; 0 where the system does not count that. */
int64_t get_delay(const delays_t *delays, int64_t from, int64_t to);

#endif
