/* Random names from the system's generator. */
#ifndef IO_RANDOM_ID_H
#define IO_RANDOM_ID_H

#include <stddef.h>

/* `n` characters of [a-z0-9] and a NUL: `ret` holds n + 1 bytes. FANMAP_OK, or FANMAP_EIO. */
int random_id(char *ret, size_t n);
/* `n` random bytes, at most 256. */
int random_bytes(void *ret, size_t n);

#endif
