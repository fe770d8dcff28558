/* Items from the inputs to the library. */
#include "cli/feed.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { PUSH_TURN = 512 };

static void end_input(session_t *s, const char *why)
{
    s->input_done = true;
    if (fanmap_end_input(s->job, why, &s->error) < 0 && s->error.code == FANMAP_EUSAGE)
        complain("%s", s->error.message);
}

/* The job ends with it, after what came before. */
static void fail_input(session_t *s, const char *why)
{
    s->input_failed = true;
    if (is_switch_set(s->arguments, "verbose") || is_switch_set(s->arguments, "detach"))
        complain("%s", why); /* a map says it at its end */
    end_input(s, why);
}

/* On a fleet text is a line, which a command gets its newline with: it is that of the end of a block. */
static int push_item(session_t *s, const item_t *item)
{
    if (item->names)
        return fanmap_push_row(s->job, item->format, item->names, item->parts, item->n, &s->error);
    if (item->is_array)
        return fanmap_push_zipped(s->job, item->format, item->parts, item->n, &s->error);
    const fanmap_part_t *part = item->parts;
    bool gets_newline =
        item->is_block && !is_switch_set(s->arguments, "local") && text_utf8_valid(part->bytes, part->len);
    bool has_newline = part->len > 0 && ((const char *)part->bytes)[part->len - 1] == '\n';
    return fanmap_push(s->job, item->format, part->bytes, part->len - (gets_newline && has_newline), &s->error);
}

/* No command is named after a block. */
static size_t named_parts(const item_t *item)
{
    return item->is_block ? 0 : item->n;
}

static bool keep_item(session_t *s, const item_t *item)
{
    uint64_t seq = resume_seq(&s->resume, s->input->taken);
    if (!s->output.keeps_items || kept_put(&s->output.kept, seq, item->format, item->parts, named_parts(item)))
        return true;
    fail_input(s, "out of memory for the items that are under way");
    return false;
}

bool feed_is_done(session_t *s, const item_t *item)
{
    uint64_t seq = s->input->taken + 1;
    size_t n = named_parts(item);
    if (s->resume.by_results)
        return results_have(&s->output.results, seq, item->format, item->parts, n);
    return !resume_wants(&s->resume, &s->output.parallel_log, seq, item->format, item->parts, n);
}

bool feed_turn(session_t *s)
{
    item_t item;
    char why[600];
    int pushed = 0;
    for (; pushed < PUSH_TURN && !s->input_done; pushed++) {
        zip_state_t state = items_peek(s->input, &item, why, sizeof why);
        if (state == ZIP_END)
            end_input(s, NULL);
        if (state == ZIP_FAILED)
            fail_input(s, why);
        if (state != ZIP_ITEM)
            break;
        if (!feed_is_done(s, &item) && (push_item(s, &item) != FANMAP_OK || !keep_item(s, &item)))
            break;
        items_taken(s->input);
    }
    return pushed > 0;
}

void feed_read(session_t *s, const struct pollfd *fds, int n)
{
    const char *name = "";
    char why[600];
    int error = zip_read(&s->input->zip, fds, n, &name);
    if (!error)
        return;
    snprintf(why, sizeof why, "%.400s: %s", name, strerror(error));
    fail_input(s, why);
}
