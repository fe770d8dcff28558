/* Where options come from besides the caller: files of KEY=VALUE lines, and the environment. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/options/options.h"
#include "io/trusted_file.h"
#include "schemas/trace.h"

static char *trim(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        text[--len] = '\0';
    return text;
}

/* A file of KEY=VALUE lines; `prefix` goes before each key. */
typedef struct {
    fanmap_options_t *options;
    const char *prefix;
    bool holds_secret;
} settings_file_t;

static int read_pair(settings_file_t *s, char *line, fanmap_error_t *err)
{
    char *text = trim(line), key[256];
    if (*text == '\0' || *text == '#')
        return FANMAP_OK;
    char *equals = strchr(text, '=');
    if (!equals)
        return err_set(err, FANMAP_EUSAGE, "want KEY=VALUE");
    *equals = '\0';
    if ((size_t)snprintf(key, sizeof key, "%s%s", s->prefix, trim(text)) >= sizeof key)
        return err_set(err, FANMAP_EUSAGE, "a name that is too long");
    const char *value = trim(equals + 1);
    s->holds_secret = s->holds_secret || fanmap_option_is_secret(key, value);
    return options_put(s->options, key, value, SOURCE_FILE, err);
}

static int read_lines(settings_file_t *s, FILE *file, fanmap_error_t *err)
{
    char *line = NULL;
    size_t cap = 0;
    unsigned number = 0;
    int r = FANMAP_OK;
    while (r == FANMAP_OK && getline(&line, &cap, file) >= 0) {
        number++;
        r = read_pair(s, line, err);
        if (r != FANMAP_OK)
            err_wrap(err, "line %u", number);
    }
    if (r == FANMAP_OK && ferror(file))
        r = err_set(err, FANMAP_EUSAGE, "%s", strerror(errno));
    free(line);
    return r;
}

static int read_file(fanmap_options_t *options, const char *path, bool is_default, const char *prefix,
                     fanmap_error_t *err)
{
    settings_file_t s = {options, prefix, false};
    bool is_shared;
    FILE *file;
    int r = trusted_open(path, &file, &is_shared, err);
    if (r != FANMAP_OK && is_default && (errno == ENOENT || errno == ENOTDIR))
        return FANMAP_OK;
    if (r != FANMAP_OK && is_default && errno != 0)
        return options_warn(options, path, strerror(errno), err);
    if (r == FANMAP_OK) {
        r = read_lines(&s, file, err);
        fclose(file);
    }
    if (r != FANMAP_OK)
        return err_wrap(err, "%s", path);
    return is_shared && s.holds_secret ? options_warn(options, path, options_shared_text, err) : FANMAP_OK;
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
    const char *trace = getenv("TRACEPARENT"); /* as W3C has it, what cannot be read counts as not there */
    return trace && trace_valid(trace) ? options_put(options, "traceparent", trace, SOURCE_ENVIRONMENT, err)
                                       : FANMAP_OK;
}

static int read_default_file(fanmap_options_t *options, fanmap_error_t *err)
{
    const char *home = getenv("HOME");
    char path[4096];
    if (!home || (size_t)snprintf(path, sizeof path, "%s/.config/fanmap.conf", home) >= sizeof path)
        return FANMAP_OK;
    return read_file(options, path, true, "", err);
}

int fanmap_options_load(fanmap_options_t *options, const char *path, fanmap_error_t *err)
{
    int r = path ? read_file(options, path, false, "", err) : read_default_file(options, err);
    if (r == FANMAP_OK)
        r = read_environment(options, err);
    const char *properties = options_text(options, OPT_PROPERTIES);
    if (r == FANMAP_OK && properties)
        r = read_file(options, properties, false, "X.", err);
    return r;
}
