/* Loaded with LD_PRELOAD: SIGTERM comes just before each accept(), when whoever looks at a flag has
   done so already. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    int (*next)(int, struct sockaddr *, socklen_t *, int);
    *(void **)&next = dlsym(RTLD_NEXT, "accept4");
    kill(getpid(), SIGTERM);
    return next(fd, address, length, flags);
}
