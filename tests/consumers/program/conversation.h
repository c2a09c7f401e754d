/* A session of libanwdl, both of its sides in this process. */
#ifndef CONVERSATION_H
#define CONVERSATION_H

#ifdef __cplusplus
extern "C" {
#endif

/* Exchanges keys, asks for STAT and answers. Returns the exit status: 0 if all went well, else it
   has said on standard error what did not. */
int converse(void);

#ifdef __cplusplus
}
#endif

#endif
