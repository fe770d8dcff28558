#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/options/options.h"

static char *trim(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        text[--len] = '\0';
    return text;
}

typedef int (*pair_fn)(fanmap_options_t *options, const char *key, const char *value, fanmap_error_t *err);

static int put_from_file(fanmap_options_t *options, const char *key, const char *value, fanmap_error_t *err)
{
    return options_put(options, key, value, SOURCE_FILE, err);
}

static int put_property_from_file(fanmap_options_t *options, const char *key, const char *value, fanmap_error_t *err)
{
    char name[256];
    if ((size_t)snprintf(name, sizeof name, "X.%s", key) >= sizeof name)
        return err_set(err, FANMAP_EUSAGE, "property name too long");
    return options_put(options, name, value, SOURCE_FILE, err);
}

static int read_pair(fanmap_options_t *options, char *line, pair_fn put, fanmap_error_t *err)
{
    char *text = trim(line);
    if (*text == '\0' || *text == '#')
        return FANMAP_OK;
    char *equals = strchr(text, '=');
    if (!equals)
        return err_set(err, FANMAP_EUSAGE, "want KEY=VALUE");
    *equals = '\0';
    return put(options, trim(text), trim(equals + 1), err);
}

static int read_file(fanmap_options_t *options, const char *path, bool may_be_absent, pair_fn put, fanmap_error_t *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return may_be_absent && errno == ENOENT ? FANMAP_OK
                                                : err_set(err, FANMAP_EUSAGE, "%s: %s", path, strerror(errno));
    char *line = NULL;
    size_t cap = 0;
    unsigned number = 0;
    int r = FANMAP_OK;
    while (r == FANMAP_OK && getline(&line, &cap, file) >= 0) {
        number++;
        r = read_pair(options, line, put, err);
        if (r != FANMAP_OK)
            err_wrap(err, "%s: line %u", path, number);
    }
    free(line);
    fclose(file);
    return r;
}

static int read_environment(fanmap_options_t *options, fanmap_error_t *err)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    for (size_t i = 0; i < n; i++) {
        if (!(table[i].scope & FANMAP_SCOPE_CONNECT)) /* an attempt's own FANMAP_DEADLINE is no option */
            continue;
        char name[64] = "FANMAP_";
        size_t at = strlen(name);
        for (const char *c = table[i].name; *c && at + 1 < sizeof name; c++)
            name[at++] = *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        name[at] = '\0';
        const char *value = getenv(name);
        if (!value)
            continue;
        int r = options_put(options, table[i].name, value, SOURCE_ENVIRONMENT, err);
        if (r != FANMAP_OK) {
            err_wrap(err, "environment %s", name);
            return r;
        }
    }
    return FANMAP_OK;
}

static int read_default_file(fanmap_options_t *options, fanmap_error_t *err)
{
    const char *home = getenv("HOME");
    char path[4096];
    if (!home || (size_t)snprintf(path, sizeof path, "%s/.config/fanmap.conf", home) >= sizeof path)
        return FANMAP_OK;
    return read_file(options, path, true, put_from_file, err);
}

int fanmap_options_load(fanmap_options_t *options, const char *path, fanmap_error_t *err)
{
    int r = path ? read_file(options, path, false, put_from_file, err) : read_default_file(options, err);
    if (r == FANMAP_OK)
        r = read_environment(options, err);
    const char *properties = options_text(options, OPT_PROPERTIES);
    if (r == FANMAP_OK && properties)
        r = read_file(options, properties, false, put_property_from_file, err);
    return r;
}
