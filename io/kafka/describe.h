/* Who is in a group. */
#ifndef IO_KAFKA_DESCRIBE_H
#define IO_KAFKA_DESCRIBE_H

#include "io/kafka/kafka.h"

/* In the helper: the group, in a list that the caller destroys (also where it is NULL: not known, or there is none). */
const struct rd_kafka_group_info *kafka_list_group(rd_kafka_t *rk, const char *id,
                                                   const struct rd_kafka_group_list **ret_list,
                                                   rd_kafka_resp_err_t *ret_code);

#endif
