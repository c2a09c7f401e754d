/* A key exchange whose connecting side was prepared: all that it says, so that the server alone
   computes. The library reads message by message, so that all may be sent at once. */
#ifndef FLIGHTS_H
#define FLIGHTS_H

#include "library_peer.h"

/* What a client says that speaks first, with the keys of this name in benches/keys, in an exchange
   with a server of this key: recorded, so that every exchange is the same for the server but for
   what it draws itself. Nobody can use the keys that the server gets. *answer_len, unless NULL, is
   how many bytes the server answers in all. The caller frees what is returned. */
bytes_t record_flights(anwdl_protocol_t framing, const anwdl_rsa_wrapper_t *server,
                       const char *peer_key, size_t *answer_len);

#endif
