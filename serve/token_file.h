/* The tokens of fanmap serve: a file of two lines, `read TOKEN` and `submit TOKEN`, mode 0600. */
#ifndef SERVE_TOKEN_FILE_H
#define SERVE_TOKEN_FILE_H

#include "fanmap/fanmap.h"
#include "serve/access.h"

/* Reads `path`, or makes it with fresh tokens where it is not there (*ret_is_new). FANMAP_EUSAGE: others can read or
 * write it, or a line is not understood; FANMAP_EIO. */
int token_file_read(const char *path, access_t *access, bool *ret_is_new, fanmap_error_t *err);

#endif
