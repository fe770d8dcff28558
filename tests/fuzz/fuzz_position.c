#include <string.h>

#include "aggregator/reading.h"
#include "fuzz.h"
#include "schemas/value.h"

static void ignore(void *arg, const outcome_t *outcome)
{
    (void)arg;
    (void)outcome;
}

/* What it says may be wrong; a list that takes it must still be one. */
static void resume(const position_t *p)
{
    static const list_callbacks_t callbacks = {ignore, NULL};
    static position_t again;
    reading_t reading = {0};
    spec_t spec;
    joblog_record_t end = {.type = JOBLOG_END, .end_reason = END_CANCEL};
    buf_t record = {0};
    spec_init(&spec);
    list_t *list = list_new("j", &callbacks, NULL);
    bool is_unordered = p->kind == POSITION_ARRIVAL || p->kind == POSITION_COUNT;
    MUST(list && reading_begin(&reading, is_unordered, p));
    if (p->kind != POSITION_INDEX && p->kind != POSITION_COUNT && list_resume(list, &spec, p)) {
        joblog_encode_end(&record, end.end_reason);
        (void)list_record(list, p->reread_at, "j", 1, record.data, record.len);
        (void)list_record(list, p->read_to, "j", 1, record.data, record.len);
        reading_position(&reading, list, p->job, &again);
        MUST(again.number == p->number);
    }
    buf_free(&record);
    reading_free(&reading);
    list_free(list);
}

static void decode(const char *text, size_t len)
{
    static position_t p, again;
    buf_t b = {0};
    if (!position_decode(text, len, &p))
        return;
    position_encode(&b, &p);
    MUST(!b.failed && position_decode((const char *)b.data, b.len, &again));
    MUST(again.kind == p.kind && again.number == p.number && again.ranges_n == p.ranges_n);
    buf_free(&b);
    resume(&p);
}

/* As text, and as what stands behind the dot. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    buf_t text = {0};
    decode((const char *)data, size);
    buf_append_text(&text, "7.");
    base64_append(&text, data, size);
    while (text.len > 0 && text.data[text.len - 1] == '=')
        text.len--;
    decode((const char *)text.data, text.len);
    buf_free(&text);
    return 0;
}
