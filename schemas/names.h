/* The names of everything a namespace owns on Kafka and Redis. */
#ifndef SCHEMAS_NAMES_H
#define SCHEMAS_NAMES_H

#include <stdbool.h>

#include "schemas/spec.h"

enum { TOPIC_NAME_MAX = 192 };

typedef enum {
    NAME_RESULTS,    /* NS.results */
    NAME_JOBS,       /* NS.jobs */
    NAME_DEAD,       /* NS.dead */
    NAME_LOGS,       /* NS.logs */
    NAME_WORKERS,    /* NS.workers.QUEUE */
    NAME_AGGREGATOR, /* NS.aggregator.GROUP */
    NAME_STREAM,     /* NS.stream.ID: its log, and its workers' group */
    NAME_GATHER,     /* NS.gather.ID: the group that reads the log */
    NAME_REPLAY,     /* NS.replay.ID: how far its errors were put back */
    NAME_READER,     /* NS.reader.ID.READER: where this reader of a job or stream is; NS.reader begins them all */
    NAME_SHARE,      /* NS.share.ID.READER: the group of those who share a job's list */
} name_word_t;

/* Each writes a NUL-terminated name into `ret` (TOPIC_NAME_MAX bytes are always enough) and returns it. */
char *name_shared(char *ret, const char *name_space, name_word_t word);
char *name_of_id(char *ret, const char *name_space, name_word_t word, const char *id);
char *name_of_reader(char *ret, const char *name_space, name_word_t word, const char *id, const char *reader);
char *name_items(char *ret, const char *name_space, const char *queue, const char *task); /* NS.items.QUEUE.TASK */
char *name_items_of_queue(char *ret, const char *name_space, const char *queue); /* NS.items.QUEUE., a prefix */
char *name_items_of_all(char *ret, const char *name_space);                      /* NS.items., a prefix */

/* A topic that fanmap keeps itself: nobody else may write there. */
bool name_is_own(const char *topic, const char *name_space);
/* The queue and the task of an items topic of this namespace; false: it is none. */
bool name_items_parse(const char *topic, const char *name_space, char ret_queue[NAME_MAX_LEN + 1],
                      char ret_task[TASK_NAME_MAX + 1]);

#endif
