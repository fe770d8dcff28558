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

static void fail(results_t *r, const char *path)
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

static void refuse(results_t *r, const char *why)
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
        refuse(r, err.message);
    else if (!words[0] || !*words[0] || words[1])
        refuse(r, "it does not name one file for each item");
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
        fail(r, r->text.failed ? "out of memory" : (char *)r->text.data);
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
            fail(r, r->path);
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
        fail(r, r->text.failed ? "out of memory" : (char *)r->text.data);
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

/* ---- rows ---- */

static void put_csv_head(results_t *r, const kept_item_t *item)
{
    static const char *const names[] = {"Seq",     "Host",    "Starttime", "JobRuntime", "Send",
                                        "Receive", "Exitval", "Signal",    "Command"};
    const char s = r->separator;
    char *const *columns = names_of(r);
    bool has_name = columns != NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        buf_printf(&r->text, "%s%c", names[i], s);
    for (size_t i = 0; i < item->n; i++) {
        has_name = has_name && columns[i];
        if (has_name)
            results_put_csv(&r->text, s, columns[i], strlen(columns[i]));
        else
            buf_printf(&r->text, "V%zu", i + 1);
        buf_append(&r->text, &s, 1);
    }
    buf_printf(&r->text, "Stdout%cStderr\n", s);
    r->has_header = true;
}

static void put_csv(results_t *r, const parallel_row_t *row, const buf_t *command, const kept_item_t *item,
                    const fanmap_part_t *printed)
{
    const char s = r->separator;
    if (!r->has_header)
        put_csv_head(r, item);
    buf_printf(&r->text, "%" PRIu64 "%c%.*s%c%.3f%c%.3f%c0%c%zu%c%d%c%d%c", row->seq, s, row->host_len, row->host, s,
               row->start_s, s, row->run_s, s, s, row->receive, s, row->exit_value, s, row->signo, s);
    results_put_csv(&r->text, s, command->data, command->len);
    for (size_t i = 0; i < item->n + 2; i++) {
        const fanmap_part_t *part = i < item->n ? &item->parts[i] : &printed[i - item->n];
        buf_append(&r->text, &s, 1);
        results_put_csv(&r->text, s, part->bytes, part->len);
    }
    buf_append(&r->text, "\n", 1);
}

static void put_json(results_t *r, const parallel_row_t *row, const buf_t *command, const kept_item_t *item,
                     const fanmap_part_t *printed)
{
    buf_printf(&r->text,
               "{ \"Seq\": %" PRIu64
               ", \"Host\": \"%.*s\", \"Starttime\": %.3f, \"JobRuntime\": %.3f, \"Send\": 0, \"Receive\": %zu, "
               "\"Exitval\": %d, \"Signal\": %d, \"Command\": ",
               row->seq, row->host_len, row->host, row->start_s, row->run_s, row->receive, row->exit_value, row->signo);
    results_put_json(&r->text, command->data, command->len);
    buf_append_text(&r->text, ", \"V\": [");
    for (size_t i = 0; i < item->n; i++) {
        buf_append_text(&r->text, i > 0 ? "," : " ");
        results_put_json(&r->text, item->parts[i].bytes, item->parts[i].len);
    }
    buf_append_text(&r->text, " ], \"Stdout\": ");
    results_put_json(&r->text, printed[0].bytes, printed[0].len);
    buf_append_text(&r->text, ", \"Stderr\": ");
    results_put_json(&r->text, printed[1].bytes, printed[1].len);
    buf_append_text(&r->text, " }\n");
}

static void put_row(results_t *r, parallel_log_t *log, const fanmap_outcome_t *o, const kept_item_t *item,
                    const fanmap_part_t *printed)
{
    parallel_row_t row;
    if (!parallel_row(o, item, &row))
        return;
    row.receive = printed[0].len;
    buf_clear(&r->text);
    buf_clear(&log->command);
    parallel_log_command(log, item->seq, item->format, item->parts, item->n, &log->command);
    if (r->kind == RESULTS_CSV)
        put_csv(r, &row, &log->command, item, printed);
    else
        put_json(r, &row, &log->command, item, printed);
    if (r->text.failed || fwrite(r->text.data, 1, r->text.len, r->file) != r->text.len || fflush(r->file) != 0)
        fail(r, r->path);
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
        fail(r, r->path);
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
