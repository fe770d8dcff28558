/* Topics of the embedded mode, and the questions about them, which are answered in the next turn. */
#include <stdlib.h>
#include <string.h>

#include "io/memory/bus.h"

static memory_topic_t *find_topic(memory_bus_t *bus, const char *name)
{
    memory_topic_t *topic = bus->topics;
    while (topic != NULL && strcmp(topic->name, name) != 0)
        topic = topic->next;
    return topic;
}

static memory_topic_t *get_topic(memory_bus_t *bus, const char *name)
{
    memory_topic_t *topic = find_topic(bus, name);
    if (topic != NULL || strlen(name) > MEMORY_NAME_MAX || (topic = calloc(1, sizeof *topic)) == NULL)
        return topic;
    memcpy(topic->name, name, strlen(name) + 1);
    topic->bus = bus;
    topic->outbox_end = &topic->outbox;
    topic->next = bus->topics;
    bus->topics = topic;
    return topic;
}

static int create_topic(memory_bus_t *bus, const bus_topic_config_t *config, fanmap_error_t *err)
{
    memory_topic_t *topic = get_topic(bus, config->name);
    uint32_t n = config->partitions == 0 ? 1 : config->partitions;
    memory_log_t *logs = topic == NULL || topic->logs != NULL ? NULL : calloc(n, sizeof *logs);
    if (topic == NULL || (topic->logs == NULL && logs == NULL))
        return err_set(err, FANMAP_ENOMEM, "out of memory for topic %s", config->name);
    if (topic->logs != NULL)
        return FANMAP_OK;
    topic->logs = logs;
    topic->partitions_n = n;
    topic->compacted = config->compacted;
    topic->message_bytes_max = config->message_bytes_max;
    return FANMAP_OK;
}

static memory_answer_t *new_answer(memory_bus_t *bus, size_t partitions_n, void *arg)
{
    memory_answer_t *answer = calloc(1, sizeof *answer + partitions_n * sizeof answer->partitions[0]);
    if (answer == NULL)
        return NULL;
    answer->arg = arg;
    answer->partitions_n = partitions_n;
    *bus->answers_end = answer;
    bus->answers_end = &answer->next;
    memory_bus_schedule(bus);
    return answer;
}

int memory_ensure_topics(bus_t *base, const bus_topic_config_t *topics, size_t topics_n, bool create, bus_topics_fn fn,
                         void *arg, fanmap_error_t *err)
{
    memory_bus_t *bus = (memory_bus_t *)base;
    memory_answer_t *answer = new_answer(bus, topics_n, arg);
    if (answer == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    answer->topics_fn = fn;
    for (size_t i = 0; i < topics_n && answer->err.code == 0; i++) {
        const memory_topic_t *topic = find_topic(bus, topics[i].name);
        if (!create && (topic == NULL || topic->partitions_n == 0))
            (void)err_set(&answer->err, FANMAP_EUSAGE, "topic %s does not exist", topics[i].name);
        else if (create_topic(bus, &topics[i], &answer->err) == FANMAP_OK)
            answer->partitions[i] = find_topic(bus, topics[i].name)->partitions_n;
    }
    return FANMAP_OK;
}

int memory_topic_open(bus_t *base, const char *name, bus_delivered_fn delivered, void *arg, bus_topic_t **ret,
                      fanmap_error_t *err)
{
    memory_topic_t *topic = get_topic((memory_bus_t *)base, name);
    memory_handle_t *handle = topic == NULL ? NULL : calloc(1, sizeof *handle);
    if (handle == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory for topic %s", name);
    *handle =
        (memory_handle_t){.base.bus = base, .topic = topic, .next = topic->handles, .delivered = delivered, .arg = arg};
    topic->handles = handle;
    *ret = &handle->base;
    return FANMAP_OK;
}

void memory_forget(bus_t *base, const void *arg)
{
    for (memory_topic_t *topic = ((memory_bus_t *)base)->topics; topic != NULL; topic = topic->next)
        for (memory_handle_t *handle = topic->handles; handle != NULL; handle = handle->next)
            if (handle->arg == arg)
                handle->delivered = NULL;
}

int memory_request(bus_topic_t *base, const bus_request_t *request, bus_answer_fn fn, void *arg, fanmap_error_t *err)
{
    memory_topic_t *topic = ((memory_handle_t *)base)->topic;
    if (request->kind != BUS_FIND_END && request->kind != BUS_FIND_TIME)
        return err_set(err, FANMAP_EUSAGE, "only Kafka can be asked that");
    memory_answer_t *answer = new_answer(topic->bus, 0, arg);
    if (answer == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    answer->answer_fn = fn;
    answer->topic = request->kind == BUS_FIND_END ? topic : NULL;
    answer->partition = request->partition;
    return FANMAP_OK;
}

void memory_answers_run(memory_bus_t *bus)
{
    memory_answer_t *answer = bus->answers;
    bus->answers = NULL;
    bus->answers_end = &bus->answers;
    while (answer != NULL) {
        memory_answer_t *next = answer->next;
        if (answer->topics_fn != NULL) {
            const fanmap_error_t *err = answer->err.code == 0 ? NULL : &answer->err;
            answer->topics_fn(answer->arg, err == NULL ? answer->partitions : NULL, err);
        } else {
            const memory_log_t *log = answer->topic == NULL ? NULL : memory_topic_log(answer->topic, answer->partition);
            int64_t value = answer->topic == NULL ? BUS_BEGIN : log == NULL ? -1 : memory_log_end(log);
            answer->answer_fn(answer->arg, &(bus_answer_t){.value = value});
        }
        free(answer);
        answer = next;
    }
}
