#include "client/gathering/dead_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "base/text.h"

/* What a header says of a record. From KIND on: what is said of errors alone. */
typedef enum {
    STREAM,
    TOPIC,
    PARTITION,
    OFFSET,
    INDEX,
    ATTEMPTS,
    TIMESTAMP,
    GROUP,
    TASK,
    TASK_NUMBER,
    LEFT_OUT,
    KIND,
    CLASS, /* the task's word for it, or the kind */
    TYPE,  /* the task's word for it; left out where it has none */
    MESSAGE,
    TRACE,
    STAGE
} meaning_t;

typedef struct {
    uint32_t dialect;
    meaning_t meaning;
    const char *name;
    size_t bytes; /* of a number: big-endian, in so many; 0: as text */
} name_t;

/* Each dialect in the order in which it is written. */
static const name_t names[] = {
    {DEAD_FANMAP, STREAM, "fanmap-job", 0},
    {DEAD_FANMAP, TOPIC, "fanmap-source-topic", 0},
    {DEAD_FANMAP, PARTITION, "fanmap-source-partition", 0},
    {DEAD_FANMAP, OFFSET, "fanmap-source-offset", 0},
    {DEAD_FANMAP, INDEX, "fanmap-index", 0},
    {DEAD_FANMAP, ATTEMPTS, "fanmap-attempts", 0}, /* the last of what is said of a value */
    {DEAD_FANMAP, KIND, "fanmap-error-kind", 0},
    {DEAD_FANMAP, MESSAGE, "fanmap-error-message", 0},
    {DEAD_FANMAP, TYPE, "fanmap-error-type", 0},
    {DEAD_SPRING, TOPIC, "kafka_dlt-original-topic", 0},
    {DEAD_SPRING, PARTITION, "kafka_dlt-original-partition", 4},
    {DEAD_SPRING, OFFSET, "kafka_dlt-original-offset", 8},
    {DEAD_SPRING, TIMESTAMP, "kafka_dlt-original-timestamp", 8},
    {DEAD_SPRING, GROUP, "kafka_dlt-original-consumer-group", 0},
    {DEAD_SPRING, CLASS, "kafka_dlt-exception-fqcn", 0},
    {DEAD_SPRING, MESSAGE, "kafka_dlt-exception-message", 0},
    {DEAD_SPRING, TRACE, "kafka_dlt-exception-stacktrace", 0},
    {DEAD_CONNECT, TOPIC, "__connect.errors.topic", 0},
    {DEAD_CONNECT, PARTITION, "__connect.errors.partition", 0},
    {DEAD_CONNECT, OFFSET, "__connect.errors.offset", 0},
    {DEAD_CONNECT, STREAM, "__connect.errors.connector.name", 0},
    {DEAD_CONNECT, TASK_NUMBER, "__connect.errors.task.id", 0},
    {DEAD_CONNECT, STAGE, "__connect.errors.stage", 0},
    {DEAD_CONNECT, TASK, "__connect.errors.class.name", 0},
    {DEAD_CONNECT, CLASS, "__connect.errors.exception.class.name", 0},
    {DEAD_CONNECT, MESSAGE, "__connect.errors.exception.message", 0},
    {DEAD_CONNECT, TRACE, "__connect.errors.exception.stacktrace", 0},
    {DEAD_STREAMS, CLASS, "__streams.errors.exception", 0},
    {DEAD_STREAMS, TRACE, "__streams.errors.stacktrace", 0},
    {DEAD_STREAMS, MESSAGE, "__streams.errors.message", 0},
    {DEAD_STREAMS, TOPIC, "__streams.errors.topic", 0},
    {DEAD_STREAMS, PARTITION, "__streams.errors.partition", 0},
    {DEAD_STREAMS, OFFSET, "__streams.errors.offset", 0},
    {DEAD_FANMAP, LEFT_OUT, "fanmap-source-left-out", 0},
};

enum { NAMES_N = sizeof names / sizeof *names };
static const name_t *const our_job = &names[0], *const first_of_errors = &names[6],
                           *const our_left_out = &names[NAMES_N - 1];

/* ---- the dialects ---- */

static const char *const dialects_words[] = {"fanmap", "spring", "connect", "streams"};
enum { DIALECTS_N = sizeof dialects_words / sizeof *dialects_words };

static uint32_t dialect_of(const char *word, size_t len)
{
    for (size_t i = 0; i < DIALECTS_N; i++)
        if (text_is(word, len, dialects_words[i]))
            return 1u << i;
    return 0;
}

void dead_dialects_write(char *ret, size_t cap, uint32_t dialects)
{
    size_t len = 0;
    for (size_t i = 0; i < DIALECTS_N && len < cap; i++)
        if (dialects & 1u << i)
            len += (size_t)snprintf(ret + len, cap - len, "%s%s", len > 0 ? "," : "", dialects_words[i]);
}

bool dead_dialects_read(const char *text, uint32_t *ret)
{
    uint32_t dialects = 0;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        uint32_t dialect = dialect_of(at, len);
        if (dialect == 0)
            return false;
        dialects |= dialect;
        at += len;
        if (*at == '\0')
            break;
    }
    *ret = dialects;
    return true;
}

/* ---- out ---- */

static void add_header(dead_headers_t *h, const name_t *name, const void *value, size_t len)
{
    h->at[h->n++] = (bus_header_t){name->name, value, len};
}

static void add_text(dead_headers_t *h, const name_t *name, const char *text)
{
    add_header(h, name, text, strlen(text));
}

/* Not in the middle of a character. */
static void add_cut(dead_headers_t *h, const name_t *name, const char *text, size_t len, size_t max)
{
    size_t end = len < max ? len : max;
    while (end < len && end > max - 3 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    add_header(h, name, text ? text : "", text ? end : 0);
}

/* At the end of the buffer. Every record has some: printf would take half of what its headers cost. */
static char *put_decimal(char *end, int64_t number)
{
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        *--end = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0)
        *--end = '-';
    return end;
}

static void add_number(dead_headers_t *h, const name_t *name, int64_t number)
{
    char *buffer = h->numbers[h->numbers_n++], *end = buffer + sizeof h->numbers[0];
    if (name->bytes == 0) {
        char *at = put_decimal(end, number);
        add_header(h, name, at, (size_t)(end - at));
        return;
    }
    for (size_t i = 0; i < name->bytes; i++)
        buffer[i] = (char)((uint64_t)number >> (8 * (name->bytes - 1 - i)));
    add_header(h, name, buffer, name->bytes);
}

static void add_class(dead_headers_t *h, const name_t *name, const outcome_t *o)
{
    if (o->type_len > 0)
        add_cut(h, name, o->type, o->type_len, DEAD_MESSAGE_MAX);
    else if (name->meaning == CLASS)
        add_text(h, name, fanmap_kind_name(o->kind));
}

static void add_meaning(dead_headers_t *h, const name_t *name, const dead_case_t *what)
{
    const outcome_t *o = what->outcome;
    switch (name->meaning) {
    case STREAM:
        return add_text(h, name, what->stream);
    case TOPIC:
        return add_text(h, name, what->topic);
    case PARTITION:
        return add_number(h, name, what->partition);
    case OFFSET:
    case INDEX:
        return add_number(h, name, (int64_t)o->index);
    case ATTEMPTS:
        return add_number(h, name, o->attempts);
    case TIMESTAMP:
        return add_number(h, name, what->timestamp_ms);
    case GROUP:
        return add_text(h, name, what->group);
    case TASK:
        return add_text(h, name, what->task);
    case TASK_NUMBER:
        return add_text(h, name, "0");
    case LEFT_OUT:
        return add_text(h, name, "true");
    case KIND:
        return add_text(h, name, fanmap_kind_name(o->kind));
    case CLASS:
    case TYPE:
        return add_class(h, name, o);
    case MESSAGE:
        return add_cut(h, name, o->message, o->message_len, DEAD_MESSAGE_MAX);
    case TRACE:
        return add_cut(h, name, o->stderr_tail, o->stderr_len, DEAD_TRACE_MAX);
    case STAGE: /* a record that is no input has failed where Connect's converter would have */
        return add_text(h, name, o->kind == FANMAP_BAD_INPUT ? "VALUE_CONVERTER" : "TRANSFORMATION");
    }
}

/* It is said of what has come of a record of a topic, or of an item of a job. */
static bool applies(const name_t *name, const dead_case_t *what)
{
    bool is_place = name->meaning == TOPIC || name->meaning == PARTITION || name->meaning == OFFSET;
    return what->topic ? name->meaning != INDEX : !is_place;
}

void dead_headers_make(dead_headers_t *h, uint32_t dialects, const dead_case_t *what)
{
    bool is_error = what->outcome->kind != FANMAP_VALUE;
    h->n = h->numbers_n = 0;
    invariant(first_of_errors->meaning == KIND && first_of_errors[-1].meaning == ATTEMPTS);
    const name_t *end = is_error ? our_left_out : first_of_errors;
    for (const name_t *name = names; name < end; name++)
        if (applies(name, what) && (!is_error || name->dialect & dialects))
            add_meaning(h, name, what);
    if (is_error && !(dialects & (DEAD_FANMAP | DEAD_CONNECT)))
        add_meaning(h, our_job, what); /* these two do not say whose error it is */
    if (what->is_left_out)
        add_meaning(h, our_left_out, what);
}

/* ---- in ---- */

/* NULL: none in these dialects. */
static const name_t *find_name(uint32_t dialects, const char *text)
{
    for (const name_t *name = names; name <= our_left_out; name++)
        if ((name->dialect & dialects || name == our_job || name == our_left_out) && strcmp(name->name, text) == 0)
            return name;
    return NULL;
}

bool dead_header_is_ours(uint32_t dialects, const char *name)
{
    return strncmp(name, "fanmap-", 7) == 0 || find_name(dialects, name);
}

static int64_t read_decimal(const bus_header_t *header)
{
    char text[24], *end;
    if (header->value_len == 0 || header->value_len >= sizeof text)
        return -1;
    memcpy(text, header->value, header->value_len);
    text[header->value_len] = '\0';
    int64_t number = strtoll(text, &end, 10);
    return *end == '\0' && number >= 0 ? number : -1;
}

static int64_t read_binary(const bus_header_t *header, size_t bytes)
{
    uint64_t number = 0;
    if (header->value_len != bytes)
        return -1;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | ((const uint8_t *)header->value)[i];
    return number <= INT64_MAX ? (int64_t)number : -1;
}

static int64_t read_number(const name_t *name, const bus_header_t *header)
{
    return name->bytes > 0 ? read_binary(header, name->bytes) : read_decimal(header);
}

static void read_text(const bus_header_t *header, const char **ret, size_t *ret_len)
{
    *ret = header->value;
    *ret_len = header->value_len;
}

static void read_one(const name_t *name, const bus_header_t *header, dead_origin_t *o)
{
    switch (name->meaning) {
    case STREAM:
        return read_text(header, &o->stream, &o->stream_len);
    case TOPIC:
        return read_text(header, &o->topic, &o->topic_len);
    case PARTITION:
        o->partition = read_number(name, header);
        break;
    case OFFSET:
        o->offset = read_number(name, header);
        break;
    case LEFT_OUT:
        o->is_left_out = true;
        break;
    case KIND:
    case CLASS:
        return read_text(header, &o->kind, &o->kind_len);
    case MESSAGE:
        return read_text(header, &o->message, &o->message_len);
    default:
        break;
    }
}

void dead_headers_read(uint32_t dialects, const bus_header_t *headers, size_t n, dead_origin_t *ret)
{
    *ret = (dead_origin_t){.partition = -1, .offset = -1};
    for (size_t i = 0; i < n; i++) {
        const name_t *name = headers[i].value ? find_name(dialects, headers[i].name) : NULL;
        if (name)
            read_one(name, &headers[i], ret);
    }
}
