/* Looks for secrets in all memory that this process can write to: heap, globals, the stacks of all
   threads, also of those that have ended.

   Secrets are remembered in pieces of eight bytes and masked, so that what is remembered is not
   found itself. The caller wipes what it told. Any thread may remember; while one searches, no
   other runs. */
#ifndef MEMORY_SCAN_H
#define MEMORY_SCAN_H

#include <stddef.h>
#include <stdint.h>

/* Remembers the secret, of which a rest of less than eight bytes is left out. */
void remember_secret(const char *label, const void *bytes, size_t len);

/* As before, from its last byte to its first: a number whose limbs lie in memory. */
void remember_reversed(const char *label, const void *bytes, size_t len);

void forget_secrets(void);
size_t count_secrets(void); /* in pieces */

/* How many pieces are in memory, each as often as it is there. */
size_t find_secrets(void);

/* Checks that there is none, and says where there are some. */
void check_no_secrets(const char *when);

/* How often that was checked. */
size_t count_scans(void);

#endif
