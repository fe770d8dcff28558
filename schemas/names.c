#include "schemas/names.h"

#include <stdio.h>
#include <string.h>

char *name_items(char *ret, const char *name_space, const char *queue, const char *task)
{
    snprintf(ret, TOPIC_NAME_MAX, "%s.items.%s.%s", name_space, queue, task);
    return ret;
}

char *name_items_of_queue(char *ret, const char *name_space, const char *queue)
{
    return name_items(ret, name_space, queue, "");
}

char *name_items_of_all(char *ret, const char *name_space)
{
    snprintf(ret, TOPIC_NAME_MAX, "%s.items.", name_space);
    return ret;
}

/* A queue's name has no dot, so the first one behind the prefix ends it. */
bool name_items_parse(const char *topic, const char *name_space, char ret_queue[NAME_MAX_LEN + 1],
                      char ret_task[TASK_NAME_MAX + 1])
{
    char prefix[TOPIC_NAME_MAX], queue[NAME_MAX_LEN + 1];
    size_t prefix_len = strlen(name_items_of_all(prefix, name_space));
    if (strncmp(topic, prefix, prefix_len) != 0)
        return false;
    const char *at = topic + prefix_len, *dot = strchr(at, '.');
    size_t len = dot ? (size_t)(dot - at) : 0;
    if (!dot || len > NAME_MAX_LEN)
        return false;
    memcpy(queue, at, len);
    queue[len] = '\0';
    if (!queue_name_valid(queue) || !task_name_valid(dot + 1))
        return false;
    memcpy(ret_queue, queue, len + 1);
    memcpy(ret_task, dot + 1, strlen(dot + 1) + 1);
    return true;
}

static const char *const words[] = {
    [NAME_RESULTS] = "results", [NAME_JOBS] = "jobs",       [NAME_DEAD] = "dead",
    [NAME_LOGS] = "logs",       [NAME_WORKERS] = "workers", [NAME_AGGREGATOR] = "aggregator",
    [NAME_STREAM] = "stream",   [NAME_GATHER] = "gather",   [NAME_REPLAY] = "replay",
    [NAME_READER] = "reader",   [NAME_SHARE] = "share"};

char *name_shared(char *ret, const char *name_space, name_word_t word)
{
    (void)snprintf(ret, TOPIC_NAME_MAX, "%s.%s", name_space, words[word]);
    return ret;
}

char *name_of_id(char *ret, const char *name_space, name_word_t word, const char *id)
{
    (void)snprintf(ret, TOPIC_NAME_MAX, "%s.%s.%s", name_space, words[word], id);
    return ret;
}

char *name_of_reader(char *ret, const char *name_space, name_word_t word, const char *id, const char *reader)
{
    (void)snprintf(ret, TOPIC_NAME_MAX, "%s.%s.%s.%s", name_space, words[word], id, reader);
    return ret;
}

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

bool name_is_own(const char *topic, const char *name_space)
{
    static const name_word_t shared[] = {NAME_RESULTS, NAME_JOBS, NAME_DEAD, NAME_LOGS};
    char own[TOPIC_NAME_MAX];
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        if (strcmp(topic, name_shared(own, name_space, shared[i])) == 0)
            return true;
    return begins_with(topic, name_items_of_all(own, name_space)) ||
           begins_with(topic, name_of_id(own, name_space, NAME_STREAM, ""));
}
