/* The body of a map or submission: NDJSON, an item a line, pushed while the job takes them. */
#ifndef SERVE_ITEMS_H
#define SERVE_ITEMS_H

#include "base/buf.h"
#include "fanmap/fanmap.h"

typedef struct {
    fanmap_job_t *job;
    size_t item_max;
    buf_t line;      /* of a line: what came in earlier pieces */
    bool is_whole;   /* the line is complete and could not be pushed yet */
    bool is_cutting; /* it is over item_max: what still comes of it is dropped */
    bool has_ended;  /* the body did */
    bool is_closed;  /* and the job was told */
} items_t;

/* As exchange_ops_t.on_body: how many bytes were taken. Fewer than `len`: again when the job is writable. */
size_t items_feed(items_t *items, const char *bytes, size_t len);
void items_end(items_t *items);
/* The job is writable. True: there is room for more. */
bool items_resume(items_t *items);
void items_free(items_t *items);

#endif
