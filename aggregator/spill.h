/* A file without a name, for what does not fit in memory. It is made at the first write, in `dir`, and the kernel
 * removes it when the process ends, however it ends. */
#ifndef AGGREGATOR_SPILL_H
#define AGGREGATOR_SPILL_H

#include "base/error.h"

typedef struct {
    int fd;    /* -1: not made yet */
    char *dir; /* NULL: TMPDIR or /var/tmp */
    int64_t end;
} spill_t;

/* FANMAP_ENOMEM. Touches no file. `dir` is copied. */
int spill_init(spill_t *spill, const char *dir, fanmap_error_t *err);
void spill_free(spill_t *spill);
/* All of it or FANMAP_EIO (disk full, no such folder, the process's file size limit). */
int spill_write(spill_t *spill, int64_t offset, const void *bytes, size_t len, fanmap_error_t *err);
/* Behind the end of the file, and where nothing was written, there are zeroes. */
int spill_read(spill_t *spill, int64_t offset, void *bytes, size_t len, fanmap_error_t *err);
/* Gives a range back to the disk, where the file system can; what is read there afterwards does not matter to anyone.
 */
void spill_punch(spill_t *spill, int64_t offset, int64_t len);
/* Gives everything back. */
void spill_reset(spill_t *spill);

#endif
