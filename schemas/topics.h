/* Settings of the topics that follow from what a namespace allows. */
#ifndef SCHEMAS_TOPICS_H
#define SCHEMAS_TOPICS_H

#include <stdint.h>

/* How long what attempts write is kept. */
#define TOPIC_LOGS_MS ((int64_t)24 * 3600 * 1000)

/* The largest record of a topic whose items have at most so many bytes: room for headers and for an outcome's fields. */
static inline uint32_t topic_record_bytes_max(uint32_t item_bytes_max)
{
    return item_bytes_max + 64 * 1024;
}

#endif
