/* What is asked of the cluster about topics, partitions and groups; ensure.c, topics.c, members.c, admin.c and survey.c. */
#ifndef IO_KAFKA_REQUESTS_H
#define IO_KAFKA_REQUESTS_H

#include "io/kafka/kafka.h"

int kafka_ensure_topics(bus_t *bus, const bus_topic_config_t *topics, size_t topics_n, bool create, bus_topics_fn fn,
                        void *arg, fanmap_error_t *err);
int kafka_topic_open(bus_t *bus, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                     fanmap_error_t *err);
int kafka_query_end(bus_topic_t *topic, int32_t partition, void (*fn)(void *arg, int64_t end), void *arg,
                    fanmap_error_t *err);
int kafka_query_members(bus_topic_t *topic, const char *group_id, void (*fn)(void *arg, int64_t n), void *arg,
                        fanmap_error_t *err);
int kafka_query_owned(bus_topic_t *topic, const char *group_id, uint32_t n, void (*fn)(void *arg, int64_t owned_n),
                      void *arg, fanmap_error_t *err);
int kafka_query_time(bus_topic_t *topic, int32_t partition, int64_t time_ms, void (*fn)(void *arg, int64_t offset),
                     void *arg, fanmap_error_t *err);
int kafka_query_begin(bus_topic_t *topic, int32_t partition, void (*fn)(void *arg, int64_t begin), void *arg,
                      fanmap_error_t *err);
int kafka_query_committed(bus_topic_t *topic, const char *group_id, uint32_t n, bus_offsets_fn fn, void *arg,
                          fanmap_error_t *err);
int kafka_delete_before(bus_topic_t *topic, int32_t partition, int64_t offset,
                        void (*fn)(void *arg, const fanmap_error_t *err), void *arg, fanmap_error_t *err);
int kafka_delete_topic(bus_topic_t *topic, void (*fn)(void *arg, const fanmap_error_t *err), void *arg,
                       fanmap_error_t *err);
int kafka_survey(bus_t *bus, const char *prefix, bus_survey_fn fn, void *arg, fanmap_error_t *err);

#endif
