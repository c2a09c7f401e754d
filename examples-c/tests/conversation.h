/* A server and a client in one thread of this process, without a descriptor. */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#include <anwdl.h>

/* A key exchange, in which both have these options, a request and its response. */
void hold_conversation(const anwdl_client_options_t *options);

#endif
