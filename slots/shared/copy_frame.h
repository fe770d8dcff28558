/* What a command prints, on its way to whoever shows it while it runs: pieces in a pipe, as fanmap/admin.h has them. */
#ifndef SLOTS_SHARED_COPY_FRAME_H
#define SLOTS_SHARED_COPY_FRAME_H

#include "fanmap/admin.h"

typedef enum { COPY_END, COPY_STDOUT, COPY_STDERR } copy_stream_t;

enum { COPY_FRAME_MAX = 4096, COPY_BYTES_MAX = COPY_FRAME_MAX - (int)sizeof(fanmap_copied_t) }; /* PIPE_BUF */

#endif
