/* The connecting side of a session, written from the description of the protocol on a raw socket.
   From the library it takes only the arithmetic of RSA-OAEP and AES-CBC. Every function that talks
   returns false (or NULL) once the connection has ended or the server refused; `refused` tells the
   two apart. */
#ifndef PEER_H
#define PEER_H

#include "gcm.h"

#include <anwdl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one side's records of gcm are protected with. */
typedef struct {
    uint8_t key[32];
    uint8_t iv[GCM_NONCE_SIZE];
    uint64_t number; /* of the next record */
} record_key_t;

typedef struct peer {
    int fd;
    anwdl_protocol_t framing; /* one of V2, V3, V4, GCM */
    anwdl_rsa_wrapper_t *rsa; /* its own key pair, and the server's public key once it is known */
    uint8_t key[32];          /* of v2, v3 and v4 */
    uint8_t iv[16];           /* of their next message */
    record_key_t gcm_sent;
    record_key_t gcm_received;
    bool refused; /* the server's last answer was no '1' */

    /* What makes it a difficult peer. */
    size_t budget;     /* it closes its sending side after this many bytes; SIZE_MAX: never */
    size_t bytes_sent; /* so far */
    int gate;      /* unless -1, it waits for one byte from here before each byte that it sends */
    int drip;      /* unless 0, it waits this many milliseconds before each byte that it sends */
    bool is_eager; /* it waits for no answer: one thread can play both sides in v2, v3 and v4 */

    /* What the transcript of gcm covers. */
    char *own_pem;
    char *server_pem;

    pthread_t thread;
    void (*script)(struct peer *peer);
    void *context; /* the script's own */
} peer_t;

/* Takes over fd. The key is the name of one in keys/; NULL where no key exchange takes place. In
   v2, v3 and v4, a peer without a key uses the key that make_aes_wrapper() gives. */
void peer_init(peer_t *peer, int fd, anwdl_protocol_t framing, const char *key_name);
void peer_free(peer_t *peer);

/* Plays a script on a thread of its own, and waits until it has ended. */
void peer_start(peer_t *peer, void (*script)(peer_t *peer), void *context);
void peer_join(peer_t *peer);

/* Ends the connection, so that the server reads its end. */
void peer_hang_up(peer_t *peer);

/* The whole key exchange; speaks_first is the receive_first of the server. */
bool peer_exchange_keys(peer_t *peer, bool speaks_first);

/* Exchanges the keys of a client, which has none yet, with a new peer at the other end of its
   connection. In gcm nothing answers a message, so that from then on one thread can play both
   sides. */
void peer_init_gcm(peer_t *peer, int fd, anwdl_client_t *client);

/* A client on one end of a connection, and a new peer on the other. With a key name, their keys are
   still to be exchanged; without, they have theirs: those that the options bring, or in gcm those
   that peer_init_gcm() exchanges. */
anwdl_client_t *peer_open_client(peer_t *peer, const int ends[2],
                                 const anwdl_client_options_t *options, anwdl_protocol_t framing,
                                 const char *key_name);

/* The same in gcm, over a connection of its own; without options, with make_late_options(). */
anwdl_client_t *peer_open_gcm_client(peer_t *peer, const anwdl_client_options_t *options);

/* Its four parts. */
bool peer_send_public_key(peer_t *peer);
bool peer_receive_public_key(peer_t *peer);
bool peer_send_first_secret(peer_t *peer);    /* the peer speaks first: steps 9 to 12 */
bool peer_receive_first_secret(peer_t *peer); /* the server speaks first: steps 9 to 12 */

bool peer_send_request(peer_t *peer, const char *json);
char *peer_receive_response(peer_t *peer); /* the caller frees it */
char *peer_ask(peer_t *peer, const char *json);
void peer_check_response(peer_t *peer, const char *request, const char *response);

/* The server hangs up, whatever it has sent before. */
void peer_check_hung_up(peer_t *peer);

/* The bytes that the above are made of. */
bool peer_send_bytes(peer_t *peer, const void *bytes, size_t len);
bool peer_receive_bytes(peer_t *peer, void *bytes, size_t len);
bool peer_receive_answer(peer_t *peer);
bool peer_send_length(peer_t *peer, size_t length); /* eight bytes in clear */
bool peer_announce(peer_t *peer, size_t length);    /* a request, in its framing */
bool peer_send_wrapped(peer_t *peer, const void *secret, size_t len); /* under the server's key */

#endif
