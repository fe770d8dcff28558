/* Refusals, in one line each. */
#ifndef IO_KAFKA_RIGHTS_H
#define IO_KAFKA_RIGHTS_H

#include "io/kafka/kafka.h"

/* What was asked for. */
typedef struct {
    const char *operation; /* as kafka-acls calls it */
    const char *name;      /* of the topic, */
    const char *group;     /* and of the group; NULL: the bus's own. The code says which of the two it is */
} kafka_wanted_t;
#define KAFKA_WANTED(operation, name) (&(kafka_wanted_t){operation, name, NULL})
/* wanted NULL: nobody knows better than `what`, the text of librdkafka. */
void kafka_refusal(const kafka_bus_t *bus, rd_kafka_resp_err_t code, const kafka_wanted_t *wanted, const char *what,
                   fanmap_error_t *ret);
/* The same to the error callback. `what` NULL: the code's own text. */
void kafka_refused(kafka_bus_t *bus, rd_kafka_resp_err_t code, const kafka_wanted_t *wanted, const char *what);
/* The broker ended the connection because of our certificate, or because there is none. */
bool kafka_is_alert(const char *what);
#define KAFKA_CERTIFICATE "fanmap-certificate:"
/* Has certificates that are refused named in a log line. */
void kafka_watch_certificates(rd_kafka_conf_t *conf);
/* True: this log line was one of those; the reason is kept. */
bool kafka_note_certificate(kafka_bus_t *bus, const char *text);

#endif
