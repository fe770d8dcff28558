#include "cli/results.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAID_BYTES = 4096 };

/* Of an attempt that runs. */
struct results_open_files {
    results_open_files_t *next;
    uint64_t index;
    int fds[LIVE_STREAMS];
};

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len > n && strcmp(text + len - n, end) == 0;
}

static results_kind_t kind_of(const char *path)
{
    if (ends_with(path, ".csv") || ends_with(path, ".tsv"))
        return RESULTS_CSV;
    if (ends_with(path, ".json") || ends_with(path, ".jsonl"))
        return RESULTS_JSON;
    return strchr(path, '{') ? RESULTS_NAMED : RESULTS_FOLDER;
}

bool results_are_rows(const char *path)
{
    results_kind_t kind = kind_of(path);
    return kind == RESULTS_CSV || kind == RESULTS_JSON;
}

static char *const *names_of(const results_t *r)
{
    return r->names ? *r->names : NULL;
}

static void note_failure(results_t *r, const char *path)
{
    if (!r->why[0])
        snprintf(r->why, sizeof r->why, "%.100s: %s", path, strerror(errno));
}

int results_open(results_t *r, const arguments_t *arguments)
{
    const char *path = option_text(arguments, "results"), *const words[] = {path, NULL};
    fanmap_error_t err;
    *r = (results_t){.path = path};
    bool is_dry = is_switch_set(arguments, "dry-run");
    if (!path)
        return EXIT_ALL_WELL;
    r->kind = kind_of(path);
    r->separator = ends_with(path, ".tsv") ? '\t' : ',';
    if (r->kind == RESULTS_NAMED && fanmap_filler_open(arguments->options, words, &r->filler, &err) != FANMAP_OK)
        return complain_error(&err);
    if (is_dry)
        return EXIT_ALL_WELL;
    if (results_are_rows(path))
        r->file = fopen(path, parallel_log_goes_on(arguments) ? "ae" : "we");
    if (results_are_rows(path) && !r->file)
        return fail_with(EXIT_IO, "--results %s: %s", path, strerror(errno));
    r->has_header = r->file && fseek(r->file, 0, SEEK_END) == 0 && ftell(r->file) > 0;
    return EXIT_ALL_WELL;
}

/* ---- files ---- */

static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool is_there = mkdir(path, 0777) == 0 || errno == EEXIST;
        *slash = '/';
        if (!is_there)
            return false;
    }
    return true;
}

static void note_refusal(results_t *r, const char *why)
{
    if (!r->why[0])
        snprintf(r->why, sizeof r->why, "%.80s: %.100s", r->path, why);
}

/* The path of the item (nothing: it has none), and how long it is without what tells its files apart. */
static size_t put_path(results_t *r, uint64_t seq, fanmap_format_t format, const fanmap_part_t *parts, size_t n)
{
    const char *const *words;
    fanmap_error_t err;
    buf_clear(&r->text);
    if (r->kind == RESULTS_FOLDER && n == 0) /* a block */
        buf_printf(&r->text, "%s/%" PRIu64 "/", r->path, seq);
    else if (r->kind == RESULTS_FOLDER)
        results_put_folder(&r->text, r->path, parts, n, names_of(r), r->is_bundle);
    else if (fanmap_filler_fill(r->filler, format, parts, n, seq - 1, &words, &err) != FANMAP_OK)
        note_refusal(r, err.message);
    else if (!words[0] || !*words[0] || words[1])
        note_refusal(r, "it does not name one file for each item");
    else
        buf_append_text(&r->text, words[0]);
    size_t len = r->text.len;
    buf_append(&r->text, "", 1);
    return len;
}

/* Behind the path of `len` bytes: the file of this name where it is a folder, else the one beside it. */
static void put_file(results_t *r, size_t len, const char *in_folder, const char *beside)
{
    bool is_folder = len > 0 && !r->text.failed && r->text.data[len - 1] == '/';
    r->text.len = len;
    buf_append_text(&r->text, is_folder ? in_folder : beside);
    buf_append(&r->text, "", 1);
}

static int open_file(results_t *r, size_t len, const char *in_folder, const char *beside)
{
    put_file(r, len, in_folder, beside);
    int fd = r->text.failed ? -1 : open((char *)r->text.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        note_failure(r, r->text.failed ? "out of memory" : (char *)r->text.data);
    return fd;
}

bool results_have(results_t *r, uint64_t seq, fanmap_format_t format, const fanmap_part_t *parts, size_t n)
{
    size_t len = put_path(r, seq, format, parts, n);
    put_file(r, len, "seq", ".seq");
    return len > 0 && !r->file && !r->text.failed && access((char *)r->text.data, F_OK) == 0;
}

static void write_all(results_t *r, int fd, const char *bytes, size_t len)
{
    while (fd >= 0 && len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) {
            note_failure(r, r->path);
            return;
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

static void begin_files(results_t *r, kept_item_t *item, int fds[LIVE_STREAMS])
{
    size_t len = put_path(r, item->seq, item->format, item->parts, item->n);
    fds[LIVE_STDOUT] = fds[LIVE_STDERR] = -1;
    item->has_files = true;
    if (len == 0)
        return;
    if (r->text.failed || !make_folders((char *)r->text.data)) {
        note_failure(r, r->text.failed ? "out of memory" : (char *)r->text.data);
        return;
    }
    fds[LIVE_STDOUT] = open_file(r, len, "stdout", "");
    fds[LIVE_STDERR] = open_file(r, len, "stderr", ".err");
}

/* That it is there says that the item has run to its end. */
static void write_seq(results_t *r, const kept_item_t *item)
{
    char number[24];
    size_t len = put_path(r, item->seq, item->format, item->parts, item->n);
    if (len == 0)
        return;
    int seq = open_file(r, len, "seq", ".seq");
    write_all(r, seq, number, (size_t)snprintf(number, sizeof number, "%" PRIu64, item->seq));
    if (seq >= 0)
        close(seq);
}

static void end_files(const int fds[LIVE_STREAMS])
{
    for (int i = 0; i < LIVE_STREAMS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static results_open_files_t **find_open(results_t *r, uint64_t index)
{
    results_open_files_t **at = &r->open;
    while (*at && (*at)->index != index)
        at = &(*at)->next;
    return at;
}

void results_take(results_t *r, kept_item_t *item, const live_attempt_t *attempt, int stream, const char *bytes,
                  size_t len)
{
    if (r->kind == RESULTS_CSV || r->kind == RESULTS_JSON) {
        if (stream == LIVE_STDERR && bytes)
            buf_append(&item->said, bytes, len);
        if (item->said.len > 2 * SAID_BYTES)
            buf_consume(&item->said, item->said.len - SAID_BYTES);
        return;
    }
    results_open_files_t **at = find_open(r, attempt->index), *files = *at;
    if (!files) {
        files = calloc(1, sizeof *files);
        if (!files)
            return;
        files->index = attempt->index;
        begin_files(r, item, files->fds);
        *at = files;
    }
    if (bytes) {
        write_all(r, files->fds[stream], bytes, len);
        return;
    }
    end_files(files->fds);
    *at = files->next;
    free(files);
}

static void put_row(results_t *r, parallel_log_t *log, const fanmap_outcome_t *o, const kept_item_t *item,
                    const fanmap_part_t *printed)
{
    parallel_row_t row;
    if (!parallel_row(o, item, &row))
        return;
    row.receive = printed[0].len;
    buf_clear(&log->command);
    parallel_log_command(log, item->seq, item->format, item->parts, item->n, &log->command);
    results_fill_row(r, &row, &log->command, item, printed);
    if (r->text.failed || fwrite(r->text.data, 1, r->text.len, r->file) != r->text.len || fflush(r->file) != 0)
        note_failure(r, r->path);
}

void results_put(results_t *r, parallel_log_t *log, const fanmap_outcome_t *o, kept_item_t *item, const char *text,
                 size_t len)
{
    parallel_row_t row;
    size_t said = item->said.len > SAID_BYTES ? SAID_BYTES : item->said.len;
    fanmap_part_t printed[] = {{text, len}, {item->said.data + item->said.len - said, said}};
    int fds[LIVE_STREAMS];
    if (said == 0)
        printed[1] = (fanmap_part_t){o->stderr_tail ? o->stderr_tail : "", o->stderr_len};
    if (r->file) {
        put_row(r, log, o, item, printed);
        return;
    }
    if (!parallel_row(o, item, &row))
        return;
    if (!item->has_files) {
        begin_files(r, item, fds);
        write_all(r, fds[LIVE_STDOUT], printed[0].bytes, printed[0].len);
        write_all(r, fds[LIVE_STDERR], printed[1].bytes, printed[1].len);
        end_files(fds);
    }
    write_seq(r, item);
}

bool results_close(results_t *r)
{
    while (r->open) {
        results_open_files_t *next = r->open->next;
        end_files(r->open->fds);
        free(r->open);
        r->open = next;
    }
    if (r->file && fclose(r->file) != 0)
        note_failure(r, r->path);
    r->file = NULL;
    fanmap_filler_close(r->filler);
    r->filler = NULL;
    buf_free(&r->text);
    if (r->why[0])
        complain("--results %s", r->why);
    bool is_whole = !r->why[0];
    r->why[0] = '\0';
    return is_whole;
}
