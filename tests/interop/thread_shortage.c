/* Loaded with LD_PRELOAD: the process gets no thread at one of its tries, of which
   ANWDL_TEST_THREAD has the number. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
    static atomic_int tries;
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    const char *number = getenv("ANWDL_TEST_THREAD");
    if (number && ++tries == atoi(number)) {
        return EAGAIN;
    }
    return next(thread, attributes, start, argument);
}
