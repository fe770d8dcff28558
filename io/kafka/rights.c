/* A refusal in one line: who was denied what on which topic or group, or why the login failed. What librdkafka says
 * names neither the operation nor, mostly, the topic; who asks knows them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/kafka/bus.h"
#include "io/kafka/group.h"
#include "io/kafka/rights.h"
#include "io/kafka/topics.h"

static const char ALERT[] = "SSL alert number "; /* in TLS 1.3 it comes after the handshake, as a lost connection */
/* Before, librdkafka repeated its nonce, which Kafka refuses since 3.7.2. */
enum { SCRAM_VERSION = 0x020601ff };
static const char OLD_SCRAM[] = " (or the library is too old: SCRAM with Kafka 3.7.2 or newer needs its version 2.6.1)";
static const char HINT[] = "fanmap topics --print-acls shows the rights that each role needs";

static const char *property(const kafka_bus_t *bus, const char *a, const char *b)
{
    const char *const *pair = bus->config.properties;
    const char *value = NULL;
    for (; pair != NULL && pair[0] != NULL; pair += 2)
        if (strcmp(pair[0], a) == 0 || strcmp(pair[0], b) == 0)
            value = pair[1];
    return value;
}

/* A certificate's name is the broker's to work out: then it is "this client". */
static const char *principal(const kafka_bus_t *bus, char *ret, size_t cap)
{
    const char *user = property(bus, "sasl.username", "sasl.user.name");
    (void)snprintf(ret, cap, "%s%s", user == NULL ? "this client" : "User:", user == NULL ? "" : user);
    return ret;
}

/* The topic that a text of librdkafka's is about; the longest name counts. */
static const char *topic_in(const kafka_bus_t *bus, const char *text)
{
    const char *found = NULL;
    for (const kafka_topic_t *topic = bus->topics; topic != NULL; topic = topic->next)
        if (strstr(text, topic->name) != NULL && (found == NULL || strlen(topic->name) > strlen(found)))
            found = topic->name;
    return found;
}

bool kafka_is_alert(const char *what)
{
    const char *alert = strstr(what, ALERT);
    int number = alert == NULL ? 0 : atoi(alert + sizeof ALERT - 1);
    return (number >= 42 && number <= 49) || number == 116;
}

static bool is_login(rd_kafka_resp_err_t code, const char *what)
{
    return kafka_is_alert(what) || code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL ||
           code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM || code == RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE ||
           code == RD_KAFKA_RESP_ERR_SECURITY_DISABLED;
}

static void explain_login(const kafka_bus_t *bus, rd_kafka_resp_err_t code, const char *what, fanmap_error_t *ret)
{
    char who[160];
    if (kafka_is_alert(what))
        (void)err_set(ret, FANMAP_EREFUSED,
                      "Kafka at %s: TLS failed: the broker wants a certificate of ours that it knows the signer of "
                      "(ssl.certificate.location, ssl.key.location): %s",
                      bus->config.brokers, what);
    else if (code == RD_KAFKA_RESP_ERR__SSL)
        (void)err_set(ret, FANMAP_EREFUSED, "Kafka at %s: TLS failed: %s", bus->config.brokers,
                      bus->certificate[0] != 0 ? bus->certificate : what);
    else
        (void)err_set(ret, FANMAP_EREFUSED, "Kafka at %s refused the login of %s: %s%s", bus->config.brokers,
                      principal(bus, who, sizeof who), what,
                      strstr(what, "SCRAM") != NULL && rd_kafka_version() < SCRAM_VERSION ? OLD_SCRAM : "");
}

void kafka_refusal(const kafka_bus_t *bus, rd_kafka_resp_err_t code, const kafka_wanted_t *wanted, const char *what,
                   fanmap_error_t *ret)
{
    char who[160];
    const char *operation = wanted == NULL ? "a right" : wanted->operation, *kind = "topic";
    const char *name = wanted == NULL ? topic_in(bus, what) : wanted->name;
    if (is_login(code, what)) {
        explain_login(bus, code, what, ret);
        return;
    }
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
        bool is_known = wanted != NULL && wanted->group != NULL;
        operation = is_known ? wanted->operation : "Read";
        kind = "group";
        name = is_known ? wanted->group : bus->groups != NULL ? bus->groups->id : name;
    } else if (code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED) {
        kind = "the cluster, for topic";
    } else if (code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED) {
        kind = "transactional id";
    }
    (void)err_set(ret, FANMAP_EREFUSED, "Kafka at %s denies %s %s on %s%s%s (%s)", bus->config.brokers,
                  principal(bus, who, sizeof who), operation, kind, name == NULL ? "" : " ",
                  name == NULL ? " (unnamed)" : name, HINT);
}

void kafka_refused(kafka_bus_t *bus, rd_kafka_resp_err_t code, const kafka_wanted_t *wanted, const char *what)
{
    fanmap_error_t err;
    kafka_refusal(bus, code, wanted, what == NULL ? rd_kafka_err2str(code) : what, &err);
    if (bus->on_error != NULL)
        bus->on_error(bus->arg, &err);
}

/* ---- certificates ---- */

/* X509_V_ERR_... of openssl, which never change. */
static const char *certificate_word(int error)
{
    switch (error) {
    case 9:
        return "is not valid yet";
    case 10:
        return "has expired";
    case 18:
    case 19:
        return "is self-signed, by nobody that ssl.ca.location names";
    case 2:
    case 20:
    case 21:
        return "was signed by nobody that ssl.ca.location names";
    case 23:
        return "was revoked";
    case 62:
    case 63:
    case 64:
        return "is for another host";
    default:
        return "could not be verified";
    }
}

/* In a thread of librdkafka's. What it says comes to the loop as a log line, see events.c. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the type of librdkafka's callback */
static int verify(rd_kafka_t *rk, const char *broker, int32_t id, int *error, int depth, const char *bytes, size_t size,
                  char *text, size_t cap, void *opaque)
{
    (void)rk, (void)id, (void)bytes, (void)size, (void)opaque;
    if (*error == 0)
        return 1;
    (void)snprintf(text, cap, "%s the certificate of %s %s (openssl %d)",
                   depth == 0 ? KAFKA_CERTIFICATE : KAFKA_CERTIFICATE " of the issuer:", broker,
                   certificate_word(*error), *error);
    return 0;
}

void kafka_watch_certificates(rd_kafka_conf_t *conf)
{
    (void)rd_kafka_conf_set_ssl_cert_verify_cb(conf, verify); /* a library without TLS refuses it */
}

bool kafka_note_certificate(kafka_bus_t *bus, const char *text)
{
    const char *said = strstr(text, KAFKA_CERTIFICATE);
    if (said == NULL)
        return false;
    (void)snprintf(bus->certificate, sizeof bus->certificate, "%s", said + strlen(KAFKA_CERTIFICATE) + 1);
    return true;
}
