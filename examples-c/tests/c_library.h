/* How C libraries declare what tests put in the place of. */
#ifndef ANWDL_TESTS_C_LIBRARY_H
#define ANWDL_TESTS_C_LIBRARY_H

#include <sys/ioctl.h>
#include <sys/socket.h>

#ifdef __GLIBC__ /* with _GNU_SOURCE */
#define ADDRESS       __SOCKADDR_ARG
#define CONST_ADDRESS __CONST_SOCKADDR_ARG
typedef unsigned long ioctl_request_t;
#else /* musl */
#define ADDRESS       struct sockaddr *restrict
#define CONST_ADDRESS const struct sockaddr *
typedef int ioctl_request_t;
#endif

#endif
