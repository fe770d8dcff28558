/* What a request to run failed items again asks for. */
#ifndef SERVE_RETRY_BODY_H
#define SERVE_RETRY_BODY_H

#include "base/buf.h"
#include "fanmap/fanmap.h"

/* {"group": GROUP, "items": [INDEX, ...]}, each optional, or nothing: as the options "retry-group" and "retry-items".
 * FANMAP_EUSAGE: it is neither. */
int retry_body_read(const buf_t *body, fanmap_options_t *options, fanmap_error_t *err);

#endif
