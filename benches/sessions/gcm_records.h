/* Records of gcm by OpenSSL, with a key and an implicit nonce for each direction: what the bare
   floor of a gcm session does between its calls on the socket. Both sides have the keys from the
   start; the library itself takes none so. */
#ifndef GCM_RECORDS_H
#define GCM_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GCM_HEADER_SIZE = 4, GCM_TAG_SIZE = 16 };

/* One side of a session. */
typedef struct gcm_records gcm_records_t;

gcm_records_t *gcm_records_new(bool is_client);
void gcm_records_free(gcm_records_t *records);

size_t gcm_record_length(const uint8_t header[GCM_HEADER_SIZE]);

/* Writes the next record with its header, GCM_HEADER_SIZE + GCM_TAG_SIZE bytes more than the text.
 */
void gcm_records_seal(gcm_records_t *records, const void *text, size_t len, uint8_t *record);

/* Opens the next record in place; its text has len - GCM_TAG_SIZE bytes. */
bool gcm_records_open(gcm_records_t *records, uint8_t *record, size_t len);

#endif
