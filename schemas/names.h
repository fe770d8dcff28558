/* The names of everything a namespace owns on Kafka and Redis. */
#ifndef SCHEMAS_NAMES_H
#define SCHEMAS_NAMES_H

#include <stddef.h>

enum { TOPIC_NAME_MAX = 160 };

/* Each writes a NUL-terminated name into `ret` (TOPIC_NAME_MAX bytes are always enough) and returns it. */
char *name_items(char *ret, const char *name_space, const char *queue);            /* NS.items.QUEUE */
char *name_results(char *ret, const char *name_space);                             /* NS.results */
char *name_jobs(char *ret, const char *name_space);                                /* NS.jobs */
char *name_dead(char *ret, const char *name_space);                                /* NS.dead */
char *name_group(char *ret, const char *name_space, const char *queue);            /* NS.workers.QUEUE */
char *name_aggregator_group(char *ret, const char *name_space, const char *group); /* NS.aggregator.GROUP */

#endif
