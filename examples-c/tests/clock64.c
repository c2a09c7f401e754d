/* On systems of 32 bits the GNU C library has a second clock, of 64 bits. It tells what the first
   one does, in whose place a test put another. */
#include <stdint.h>
#include <time.h>

#if defined __GLIBC__ && __TIMESIZE == 32
struct timespec64 {
    int64_t tv_sec;
    int32_t tv_nsec; /* on machines that begin with the low byte, as these do */
    int32_t unused;
};

int __clock_gettime64(clockid_t clock, struct timespec64 *now);

int __clock_gettime64(clockid_t clock, struct timespec64 *now) {
    struct timespec small;
    int result = clock_gettime(clock, &small);
    if (result == 0) {
        now->tv_sec = small.tv_sec;
        now->tv_nsec = (int32_t)small.tv_nsec;
    }
    return result;
}
#else
typedef int no_second_clock;
#endif
