#include "client/tasks/task_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "client/options/rules.h"

enum { COUNT_MAX = 1 << 20, NICE_MAX = 19 };

static int read_size(const task_entry_t *e, void *at, fanmap_error_t *err)
{
    uint64_t *ret = at;
    int code = size_parse(e->values[0], ret, err);
    if (code == FANMAP_OK && *ret < 4096)
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is too small: at least 4KiB", e->values[0]);
    return code;
}

static int read_cpus(const task_entry_t *e, void *at, fanmap_error_t *err)
{
    return cpus_parse(e->values[0], at, err);
}

static int read_ms(const task_entry_t *e, void *at, fanmap_error_t *err)
{
    int64_t ms;
    int code = duration_parse(e->values[0], &ms, err);
    if (code == FANMAP_OK && (ms < 1 || ms > INT32_MAX))
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is not between 1ms and 24d", e->values[0]);
    if (code == FANMAP_OK)
        *(uint32_t *)at = (uint32_t)ms;
    return code;
}

static int read_number(const char *text, long least, long most, long *ret, fanmap_error_t *err)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end || n < least || n > most)
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is not a whole number from %ld to %ld", text, least, most);
    *ret = n;
    return FANMAP_OK;
}

static int read_count(const task_entry_t *e, void *at, fanmap_error_t *err)
{
    long n = 0;
    int code = read_number(e->values[0], 1, COUNT_MAX, &n, err);
    if (code == FANMAP_OK)
        *(uint32_t *)at = (uint32_t)n;
    return code;
}

static int read_nice(const task_entry_t *e, void *at, fanmap_error_t *err)
{
    long n = 0;
    int code = read_number(e->values[0], 0, NICE_MAX, &n, err);
    if (code == FANMAP_OK)
        *(int32_t *)at = (int32_t)n;
    return code;
}

static int read_env(const task_entry_t *e, void *at, fanmap_error_t *err)
{
    for (char **value = e->values; *value; value++) {
        const char *equals = strchr(*value, '=');
        if (!equals || equals == *value)
            return err_set(err, FANMAP_EUSAGE, "\"%.60s\" is not NAME=VALUE", *value);
        if (strncmp(*value, "FANMAP_", 7) == 0)
            return err_set(err, FANMAP_EUSAGE, "\"%.60s\": names that begin with FANMAP_ are fanmap's own", *value);
    }
    char **copy = words_copy((const char *const *)e->values);
    if (!copy)
        return err_set(err, FANMAP_ENOMEM, "no memory");
    *(char ***)at = copy;
    return FANMAP_OK;
}

int task_words_read(const task_entry_t *e, void *ret_words, fanmap_error_t *err)
{
    char **words = NULL;
    if (!e->is_list) {
        int code = slots_split_words(e->values[0], &words, err);
        if (code != FANMAP_OK)
            return code;
    } else if (!(words = words_copy((const char *const *)e->values))) {
        return err_set(err, FANMAP_ENOMEM, "no memory");
    }
    if (!words[0] || !*words[0]) {
        words_free(words);
        return err_set(err, FANMAP_EUSAGE, "the command is empty");
    }
    *(char ***)ret_words = words;
    return FANMAP_OK;
}

static int read_path(const task_entry_t *e, void *at, fanmap_error_t *err)
{
    if (*e->values[0] != '/')
        return err_set(err, FANMAP_EUSAGE, "\"%.60s\" is no absolute path", e->values[0]);
    char *copy = strdup(e->values[0]);
    if (!copy)
        return err_set(err, FANMAP_ENOMEM, "no memory");
    *(char **)at = copy;
    return FANMAP_OK;
}

static int read_output(const task_entry_t *e, void *at, fanmap_error_t *err)
{
    terms_t *terms = at;
    if (strcmp(e->values[0], "json") == 0)
        terms->output = STDOUT_JSON;
    else if (strcmp(e->values[0], "text") != 0)
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is neither text nor json", e->values[0]);
    return FANMAP_OK;
}

/* Bytes as they are, both ways; what `output` said of stdout as JSON stays. */
static int read_raw(const task_entry_t *e, void *at, fanmap_error_t *err)
{
    terms_t *terms = at;
    bool is_raw = strcmp(e->values[0], "true") == 0;
    if (!is_raw && strcmp(e->values[0], "false") != 0)
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is neither true nor false", e->values[0]);
    terms->raw_input = is_raw;
    if (is_raw && terms->output == STDOUT_TEXT)
        terms->output = STDOUT_RAW;
    return FANMAP_OK;
}

static const task_key_t keys[] = {
    {"so", NULL, 0, FOR_ALL, false},
    {"exec", NULL, 0, FOR_ALL, true},
    {"serve", NULL, 0, FOR_ALL, true},
    {"sh", NULL, 0, FOR_ALL, false},
    {"output", read_output, 0, FOR_COMMANDS, false},
    {"raw", read_raw, 0, FOR_COMMANDS, false},
    {"memory", read_size, offsetof(terms_t, limits.memory_bytes), FOR_ALL, false},
    {"file-size", read_size, offsetof(terms_t, limits.file_bytes), FOR_ALL, false},
    {"cpus", read_cpus, offsetof(terms_t, limits.cpus_milli), FOR_ALL, false},
    {"cpu-time", read_ms, offsetof(terms_t, limits.cpu_time_ms), FOR_ALL, false},
    {"timeout", read_ms, offsetof(terms_t, timeout_ms), FOR_ALL, false},
    {"files", read_count, offsetof(terms_t, limits.files_n), FOR_ALL, false},
    {"processes", read_count, offsetof(terms_t, limits.processes_n), FOR_ALL, false},
    {"nice", read_nice, offsetof(terms_t, nice), FOR_COMMANDS | FOR_SERVE, false},
    {"workdir", read_path, offsetof(terms_t, workdir), FOR_COMMANDS | FOR_SERVE, false},
    {"env", read_env, offsetof(terms_t, env), FOR_COMMANDS | FOR_SERVE, true},
    {"container", NULL, 0, FOR_COMMANDS, true}, /* behind all the others, which its command line is made of */
    {"container-kill", task_words_read, offsetof(terms_t, kill_argv), FOR_COMMANDS, true},
    {"container-list", task_words_read, offsetof(terms_t, list_argv), FOR_COMMANDS, true},
};

const task_key_t *task_key_find(const char *name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}
