/* Workers, topics and dead letters. */
#include <stdio.h>

#include "views/json.h"
#include "views/views.h"

enum { KEY_BYTES = 4096 };

void view_worker(void *out, const fanmap_worker_info_t *worker)
{
    json_t json = json_begin(out);
    json_text(&json, "id", worker->id);
    json_text(&json, "host", worker->host);
    json_count(&json, "pid", worker->pid);
    json_text(&json, "queue", worker->queue);
    json_text(&json, "tasks", worker->tasks);
    json_count(&json, "slots", worker->slots);
    json_count(&json, "running", worker->running);
    json_count(&json, "queued", worker->queued);
    json_count(&json, "partitions", worker->partitions);
    json_int(&json, "started_ms", worker->started_ms);
    json_int(&json, "silent_ms", worker->silent_ms);
    json_text(&json, "oldest", worker->oldest);
    json_text(&json, "version", worker->version);
    json_text(&json, "runnable", worker->runnable);
    json_end(&json);
}

void view_topic(void *out, const fanmap_topic_info_t *topic)
{
    json_t json = json_begin(out);
    json_text(&json, "topic", topic->name);
    json_text(&json, "group", topic->group);
    json_bool(&json, "exists", topic->exists);
    if (topic->exists)
        json_count(&json, "partitions", topic->partitions);
    if (topic->has_config) {
        json_bool(&json, "compacted", topic->compacted);
        json_int(&json, "retention_ms", topic->retention_ms);
        json_count(&json, "message_bytes_max", topic->message_bytes_max);
    }
    json_text(&json, "problem", topic->problem);
    json_end(&json);
}

void view_bytes(char *ret, size_t cap, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    size_t n = 0;
    for (size_t i = 0; i < len && n + 5 < cap; i++) {
        if (at[i] >= ' ' && at[i] < 127 && at[i] != '\\')
            ret[n++] = (char)at[i];
        else
            n += (size_t)snprintf(ret + n, cap - n, "\\x%02x", at[i]);
    }
    ret[n] = '\0';
}

void view_dead(void *out, const fanmap_dead_t *letter)
{
    char key[KEY_BYTES];
    json_t json = json_begin(out);
    json_int(&json, "letter", letter->offset);
    json_int(&json, "at_ms", letter->at_ms);
    json_text(&json, "reason", letter->reason);
    json_text(&json, "stage", letter->stage);
    json_text(&json, "topic", letter->topic);
    json_int(&json, "partition", letter->origin_partition);
    json_int(&json, "offset", letter->origin_offset);
    view_bytes(key, sizeof key, letter->key, letter->key_len);
    json_text(&json, "key", key);
    if (letter->job[0])
        json_text(&json, "job", letter->job);
    if (letter->is_item)
        json_count(&json, "index", letter->index);
    json_count(&json, "bytes", letter->value_len);
    json_end(&json);
}

const char *view_health_word(const fanmap_health_t *health)
{
    return !health->is_ready ? "not ready" : health->why[0] ? "degraded" : "ready";
}

int view_health(buf_t *out, const fanmap_health_t *health)
{
    json_t json = json_begin(out);
    json_text(&json, "status", view_health_word(health));
    if (health->why[0])
        json_text(&json, "reason", health->why);
    json_end(&json);
    buf_append(out, "\n", 1);
    return health->is_ready ? 200 : 503;
}
