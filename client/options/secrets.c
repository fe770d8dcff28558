/* Which settings are secrets, and files that hold some: others on this machine must not write to them, and are said to
 * read them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/options/options.h"
#include "io/trusted_file.h"

const char options_shared_text[] = "it holds a secret, and everybody on this machine can read it: chmod o-r";

static bool is_secret_property(const char *name, size_t len)
{
    static const char *const secrets[] = {"sasl.password",         "ssl.key.password",
                                          "ssl.keystore.password", "sasl.oauthbearer.client.secret",
                                          "ssl.key.pem",           "sasl.oauthbearer.config"};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        if (text_is(name, len, secrets[i]))
            return true;
    return false;
}

static bool has_password(const char *url)
{
    const char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
    const char *colon = scheme ? strchr(scheme + 3, ':') : NULL;
    return at && colon && colon < at;
}

bool fanmap_option_is_secret(const char *key, const char *value)
{
    if (strncmp(key, "X.", 2) == 0)
        return is_secret_property(key + 2, strlen(key + 2));
    if (strcmp(key, "property") == 0)
        return is_secret_property(value, strcspn(value, "="));
    return strcmp(key, "redis") == 0 && has_password(value);
}

/* A file that somebody else reads: the password of Redis, a key of Kafka's. One that is not there is theirs to say. */
static int check_file(fanmap_options_t *options, const char *path, fanmap_error_t *err)
{
    FILE *file;
    bool is_shared;
    if (trusted_open(path, &file, &is_shared, err) != FANMAP_OK)
        return errno ? FANMAP_OK : err_wrap(err, "%s", path);
    fclose(file);
    return is_shared ? options_warn(options, path, options_shared_text, err) : FANMAP_OK;
}

int options_check_files(fanmap_options_t *options, fanmap_log_fn log, void *arg, fanmap_error_t *err)
{
    static const char *const keys[] = {"ssl.key.location", "ssl.keystore.location", "sasl.kerberos.keytab"};
    const char *password = options_text(options, OPT_REDIS_PASSWORD_FILE);
    const char *const *list = options_properties(options);
    int r = password ? check_file(options, password, err) : FANMAP_OK;
    for (size_t at = 0; r == FANMAP_OK && list && list[at]; at += 2)
        for (size_t i = 0; r == FANMAP_OK && i < sizeof keys / sizeof keys[0]; i++)
            if (strcmp(list[at], keys[i]) == 0)
                r = check_file(options, list[at + 1], err);
    if (r == FANMAP_OK)
        options_log_warnings(options, log, arg);
    return r;
}
