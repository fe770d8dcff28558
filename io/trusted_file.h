/* Files that hold secrets, or that say what runs and whom to believe. Who can write to such a file decides for us. */
#ifndef IO_TRUSTED_FILE_H
#define IO_TRUSTED_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

/* Opens `path` for reading. FANMAP_EUSAGE, without its name: it cannot be opened (errno says why), or somebody besides
 * this user and root can write to it: its owner, its group, anybody (errno is 0). The group that has its owner's number
 * counts as the owner. *ret_is_shared: everybody on this machine can read it. */
int trusted_open(const char *path, FILE **ret, bool *ret_is_shared, fanmap_error_t *err);

#endif
