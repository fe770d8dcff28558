#include "client/connection/worker_row.h"

#include <stdlib.h>
#include <string.h>

static void take_pair(worker_row_t *row, const char *key, const char *value)
{
    fanmap_worker_info_t *info = &row->info;
    struct {
        const char *key;
        uint64_t *number;
        const char **text;
    } const fields[] = {{"host", NULL, &info->host},
                        {"queue", NULL, &info->queue},
                        {"tasks", NULL, &info->tasks},
                        {"oldest", NULL, &info->oldest},
                        {"version", NULL, &info->version},
                        {"runnable", NULL, &info->runnable},
                        {"waiting", NULL, &row->waiting},
                        {"dead", NULL, &row->dead},
                        {"unfed", NULL, &row->unfed},
                        {"heads", NULL, &row->heads},
                        {"pid", &info->pid, NULL},
                        {"slots", &info->slots, NULL},
                        {"running", &info->running, NULL},
                        {"queued", &info->queued, NULL},
                        {"partitions", &info->partitions, NULL},
                        {"started", (uint64_t *)&info->started_ms, NULL}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].key, key) != 0)
            continue;
        if (fields[i].text)
            *fields[i].text = value;
        else
            *fields[i].number = strtoull(value, NULL, 10);
    }
}

void worker_row_read(char *text, worker_row_t *ret)
{
    char *word;
    *ret = (worker_row_t){
        .info = {.id = "", .host = "", .queue = "", .tasks = "", .oldest = "", .version = "", .runnable = ""},
        .dead = "",
        .unfed = "",
        .waiting = "",
        .heads = ""};
    while ((word = strsep(&text, " "))) {
        char *equals = strchr(word, '=');
        if (!equals)
            continue;
        *equals = '\0';
        take_pair(ret, word, equals + 1);
    }
}

bool worker_row_has(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == len && memcmp(at, word, len) == 0)
            return true;
    return false;
}

const char *worker_row_of_job(const char *entries, const char *job)
{
    size_t len = strlen(job);
    for (const char *at = entries; *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, job, len) == 0 && at[len] == '/')
            return at + len + 1;
    return NULL;
}
