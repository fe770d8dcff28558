/* What librdkafka says, sorted: for the error callback, for the operator's log, or for nobody. */
#include <stdio.h>
#include <string.h>

#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/rights.h"

int kafka_error_class(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
    case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return FANMAP_EREFUSED;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
        return FANMAP_EUNREACHABLE;
    default:
        return 0;
    }
}

static void report_error(kafka_bus_t *bus, int class, const char *what)
{
    fanmap_error_t err;
    (void)err_set_retry(&err, class, "Kafka at %s cannot be reached: %s", bus->config.brokers,
                        bus->reason[0] != 0 ? bus->reason : what);
    if (bus->on_error != NULL)
        bus->on_error(bus->arg, &err);
}

void kafka_error(kafka_bus_t *bus, rd_kafka_resp_err_t code, const char *what)
{
    if (what == NULL)
        what = rd_kafka_err2str(code);
    /* A single connection that breaks is no news; the reason of the last one makes the real news readable. */
    if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__RESOLVE ||
        code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        (void)snprintf(bus->reason, sizeof bus->reason, "%s", what);
    int class = kafka_is_alert(what) ? FANMAP_EREFUSED : kafka_error_class(code);
    if (class == FANMAP_EREFUSED)
        kafka_refused(bus, code, NULL, what);
    else if (class != 0)
        report_error(bus, class, what);
    else if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        kafka_log(bus, FANMAP_LOG_DEBUG, "kafka: %s", what);
    else
        kafka_log(bus, FANMAP_LOG_WARNING, "kafka: %s", what);
}

static void log_event(kafka_bus_t *bus, rd_kafka_event_t *event)
{
    const char *facility = NULL, *text = NULL;
    int level = 6;
    if (rd_kafka_event_log(event, &facility, &text, &level) != 0 || text == NULL)
        return;
    /* A property of producers is no use to a consumer, and the operator cannot help that; broken connections come as
     * errors, too. */
    if (facility != NULL && strcmp(facility, "CONFWARN") == 0 && strstr(text, "will be ignored") != NULL)
        return;
    if (facility != NULL && strcmp(facility, "SSLCERTVRFY") == 0 && kafka_note_certificate(bus, text))
        return;
    const char *changed = strstr(text, "partition count changed");
    if (strstr(text, "load in progress") != NULL || /* a broker that has just started: asked again, no news */
        (changed != NULL && strcmp(strrchr(changed, ' '), " 0") == 0)) /* a right that is missing, which is said */
        level = 7;
    if (facility != NULL && (strcmp(facility, "FAIL") == 0 || strcmp(facility, "TXNERR") == 0 ||
                             strcmp(facility, "FATAL") == 0 || strcmp(facility, "ERROR") == 0))
        level = 7;
    fanmap_log_level_t as = level <= 3   ? FANMAP_LOG_ERROR
                            : level == 4 ? FANMAP_LOG_WARNING
                            : level <= 6 ? FANMAP_LOG_INFO
                                         : FANMAP_LOG_DEBUG;
    kafka_log(bus, as, "kafka: %s", text);
}

void kafka_event(kafka_bus_t *bus, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_ERROR:
        kafka_error(bus, rd_kafka_event_error(event), rd_kafka_event_error_string(event));
        break;
    case RD_KAFKA_EVENT_LOG:
        log_event(bus, event);
        break;
    default:
        break;
    }
    rd_kafka_event_destroy(event);
}
