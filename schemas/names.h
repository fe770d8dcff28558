/* The names of everything a namespace owns on Kafka and Redis. */
#ifndef SCHEMAS_NAMES_H
#define SCHEMAS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "schemas/spec.h"

enum { TOPIC_NAME_MAX = 192 };

/* Each writes a NUL-terminated name into `ret` (TOPIC_NAME_MAX bytes are always enough) and returns it. */
char *name_items(char *ret, const char *name_space, const char *queue, const char *task); /* NS.items.QUEUE.TASK */
char *name_items_of_queue(char *ret, const char *name_space, const char *queue); /* NS.items.QUEUE., a prefix */
char *name_items_of_all(char *ret, const char *name_space);                      /* NS.items., a prefix */
char *name_results(char *ret, const char *name_space);                           /* NS.results */
char *name_jobs(char *ret, const char *name_space);                              /* NS.jobs */
char *name_stream(char *ret, const char *name_space,
                  const char *id); /* NS.stream.ID: its log, and its workers' group */
char *name_gather(char *ret, const char *name_space, const char *id); /* NS.gather.ID: the group that reads the log */
char *name_replay(char *ret, const char *name_space,
                  const char *id);                     /* NS.replay.ID: how far its errors were put back */
char *name_readers(char *ret, const char *name_space); /* NS.reader: what names of readers begin with */
char *name_reader(char *ret, const char *name_space, const char *id,
                  const char *reader); /* NS.reader.ID.READER: where this reader of a job or stream is */
char *name_share(char *ret, const char *name_space, const char *id,
                 const char *reader);               /* NS.share.ID.READER: the group of those who share a job's list */
char *name_dead(char *ret, const char *name_space); /* NS.dead */
char *name_logs(char *ret, const char *name_space); /* NS.logs */
char *name_group(char *ret, const char *name_space, const char *queue);            /* NS.workers.QUEUE */
char *name_aggregator_group(char *ret, const char *name_space, const char *group); /* NS.aggregator.GROUP */

/* The queue and the task of an items topic of this namespace; false: it is none. */
bool name_items_parse(const char *topic, const char *name_space, char ret_queue[NAME_MAX_LEN + 1],
                      char ret_task[TASK_NAME_MAX + 1]);

#endif
