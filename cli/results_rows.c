/* A row of --results FILE: CSV with a header before the first one, or a JSON object. */
#include <inttypes.h>
#include <string.h>

#include "cli/results.h"

static void put_csv_head(results_t *r, const kept_item_t *item)
{
    static const char *const names[] = {"Seq",     "Host",    "Starttime", "JobRuntime", "Send",
                                        "Receive", "Exitval", "Signal",    "Command"};
    const char s = r->separator;
    char *const *columns = r->names ? *r->names : NULL;
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

void results_fill_row(results_t *r, const parallel_row_t *row, const buf_t *command, const kept_item_t *item,
                      const fanmap_part_t *printed)
{
    buf_clear(&r->text);
    if (r->kind == RESULTS_CSV)
        put_csv(r, row, command, item, printed);
    else
        put_json(r, row, command, item, printed);
}
