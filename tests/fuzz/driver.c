/* fuzz_NAME RUNS SEED KEY FILE...: runs the target over what stands behind "KEY: " in the files ("hex" is bytes, other
 * keys are text), then over RUNS mutations of that. An input that kills the target is written to fuzz-crash-NAME first.
 */
#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "base/random.h"
#include "fuzz.h"

enum { SEEDS_MAX = 400, INPUT_MAX = 4096, LINE_BYTES = 20000 };

static buf_t seeds[SEEDS_MAX];
static size_t seeds_n;
static const uint8_t *current;
static size_t current_len;
static const char *crash_path;

/* Only what may be done in a signal handler is not needed: the process is lost, the input is not. */
static void save_input(int signo)
{
    FILE *file = fopen(crash_path, "wb");
    if (file) {
        fwrite(current, 1, current_len, file);
        fclose(file);
    }
    signal(signo, SIG_DFL);
    raise(signo);
}

/* On a block of its own, so that the sanitizer sees a read beyond it. */
static void run(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    MUST(copy);
    if (len > 0)
        memcpy(copy, data, len);
    current = copy;
    current_len = len;
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void add_seed(const char *text, bool is_hex)
{
    unsigned byte;
    if (seeds_n == SEEDS_MAX)
        return;
    buf_t *b = &seeds[seeds_n++];
    if (!is_hex)
        buf_append_text(b, text);
    for (; is_hex && sscanf(text, "%2x", &byte) == 1; text += 2)
        buf_append(b, &(uint8_t){(uint8_t)byte}, 1);
}

static void read_seeds(const char *path, const char *key)
{
    static char line[LINE_BYTES];
    FILE *file = fopen(path, "r");
    MUST(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        size_t len = strlen(key);
        if (strncmp(line, key, len) == 0 && strncmp(line + len, ": ", 2) == 0)
            add_seed(line + len + 2, strcmp(key, "hex") == 0);
    }
    fclose(file);
}

static size_t splice(random_t *r, uint8_t *data, size_t len)
{
    const buf_t *other = &seeds[random_below(r, seeds_n)];
    size_t from = random_below(r, other->len + 1), n = random_below(r, other->len - from + 1);
    size_t at = random_below(r, len + 1);
    if (n == 0 || len + n > INPUT_MAX)
        return len;
    memmove(data + at + n, data + at, len - at);
    memcpy(data + at, other->data + from, n);
    return len + n;
}

static size_t mutate(random_t *r, uint8_t *data, size_t len)
{
    static const uint8_t telling[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xC0, 0xC1, 0xC4, 0xC6,
                                      0xCB, 0xCF, 0xD3, 0xD9, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xE0,
                                      0xFF, '"',  '\\', '{',  '}',  '[',  ']',  'u'};
    size_t at = len > 0 ? random_below(r, len) : 0, n;
    switch (len > 0 ? random_below(r, 6) : 5) {
    case 0:
        data[at] ^= (uint8_t)(1u << random_below(r, 8));
        return len;
    case 1:
        data[at] = telling[random_below(r, sizeof telling)];
        return len;
    case 2:
        n = 1 + random_below(r, len - at);
        memmove(data + at, data + at + n, len - at - n);
        return len - n;
    case 3:
        return at;
    case 4:
        for (n = 0; n < 4 && at + n < len; n++)
            data[at + n] = random_below(r, 3) ? 0xFF : (uint8_t)random_next(r);
        return len;
    default:
        return splice(r, data, len);
    }
}

int main(int argc, char **argv)
{
    static uint8_t data[INPUT_MAX];
    static char path[300];
    random_t r;
    MUST(argc > 4);
    const char *slash = strrchr(argv[0], '/');
    snprintf(path, sizeof path, "fuzz-crash-%s", slash ? slash + 1 : argv[0]);
    crash_path = path;
    signal(SIGABRT, save_input);
    random_seed(&r, strtoull(argv[2], NULL, 10));
    for (int i = 4; i < argc; i++)
        read_seeds(argv[i], argv[3]);
    MUST(seeds_n > 0);
    run(NULL, 0);
    for (size_t i = 0; i < seeds_n; i++)
        run(seeds[i].data, seeds[i].len);
    for (long left = strtol(argv[1], NULL, 10); left > 0; left--) {
        const buf_t *seed = &seeds[random_below(&r, seeds_n)];
        size_t len = seed->len < INPUT_MAX ? seed->len : INPUT_MAX;
        if (len > 0)
            memcpy(data, seed->data, len);
        for (uint64_t k = 1 + random_below(&r, 4); k > 0; k--)
            len = mutate(&r, data, len);
        run(data, len);
    }
    for (size_t i = 0; i < seeds_n; i++)
        buf_free(&seeds[i]);
    return 0;
}
