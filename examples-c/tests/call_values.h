/* What callers.c needs of call_values.c: the value of one parameter. */
#ifndef CALL_VALUES_H
#define CALL_VALUES_H

#include "callers.h"

/* What the places of outputs hold before a call. */
enum { UNTOUCHED = 0xa5 };

/* A valid value for the parameter at this place. */
void make_value(call_t *call, size_t at);

/* Frees something together with the call. */
void *keep(call_t *call, void (*free)(void *thing), void *thing);

/* Frees what came out of an output of this type. */
void free_by_type(const char *type, void *thing);

void free_options(void *thing);
void close_descriptor(void *thing);

#endif
