/* --results: what each item printed, in files as GNU parallel lays them out: DIR/1/FIRST/2/SECOND/stdout, stderr and seq
 * (NAME with placeholders: the file itself, NAME.err and NAME.seq), or rows of FILE.csv, FILE.tsv, FILE.jsonl. Embedded
 * commands write into the files while they run; of what else ran they have its value, and the end of its stderr where it
 * failed, as rows have. */
#ifndef CLI_RESULTS_H
#define CLI_RESULTS_H

#include "cli/live.h"
#include "cli/parallel_log.h"

typedef enum { RESULTS_NOWHERE, RESULTS_FOLDER, RESULTS_NAMED, RESULTS_CSV, RESULTS_JSON } results_kind_t;

typedef struct results_open_files results_open_files_t;

/* Zeroed: nothing is asked for. */
typedef struct {
    results_kind_t kind;
    const char *path;
    char separator; /* CSV */
    bool has_header;
    FILE *file;              /* of rows */
    char **const *names;     /* of columns, NULL-terminated, or NULL: their numbers. Borrowed, and more may come */
    bool is_bundle;          /* all parts are of the first list */
    fanmap_filler_t *filler; /* NAMED */
    results_open_files_t *open;
    buf_t text;
    char why[200]; /* what failed first */
} results_t;

/* EXIT_ALL_WELL, or another status after a complaint. results_close in every case. */
int results_open(results_t *results, const arguments_t *arguments);
/* FILE takes rows, which do not say of which item they are. */
bool results_are_rows(const char *path);
/* The item has run to its end, in this run or in one before. */
bool results_have(results_t *results, uint64_t seq, fanmap_format_t format, const fanmap_part_t *parts, size_t n);
/* What came of an attempt at the item while it runs; bytes NULL: it is over. */
void results_take(results_t *results, kept_item_t *item, const live_attempt_t *attempt, int stream, const char *bytes,
                  size_t len);
/* `text`: what it printed, as far as it did not come by results_take. */
void results_put(results_t *results, parallel_log_t *log, const fanmap_outcome_t *outcome, kept_item_t *item,
                 const char *text, size_t len);
/* False, after a complaint: not everything could be written. */
bool results_close(results_t *results);

/* results_rows.c: the row of an item into results->text. printed: its stdout and stderr. */
void results_fill_row(results_t *results, const parallel_row_t *row, const buf_t *command, const kept_item_t *item,
                      const fanmap_part_t *printed);
/* results_text.c, pure. */
/* The folder of an item: of each part its number, or its name (NULL: none), by which they are sorted, and itself.
 * is_bundle: all are of list 1. */
void results_put_folder(buf_t *b, const char *dir, const fanmap_part_t *parts, size_t n, char *const *names,
                        bool is_bundle);
void results_put_csv(buf_t *b, char separator, const void *bytes, size_t len);
void results_put_json(buf_t *b, const void *bytes, size_t len);

#endif
