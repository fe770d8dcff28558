#include <string.h>

#include "fuzz.h"
#include "schemas/commit.h"
#include "schemas/value.h"

static void check(const commit_meta_t *m, int64_t prefix)
{
    commit_decoded_t again;
    buf_t b = {0};
    for (uint32_t i = 0; i < m->names_n; i++)
        MUST(m->names[i].member < m->members_n && m->names[i].offset >= prefix);
    for (uint32_t i = 0; i < m->done_n; i++)
        MUST(m->done[i].from < m->done[i].to && m->done[i].from >= prefix);
    for (uint32_t i = 0; i < m->members_n; i++)
        MUST(strlen(m->members[i]) <= COMMIT_MEMBER_MAX);
    if (commit_encode(&b, m, prefix, NULL)) {
        MUST(b.len <= COMMIT_BYTES_MAX && commit_decode((const char *)b.data, b.len, prefix, &again));
        MUST(again.meta.names_n == m->names_n && again.meta.mark == m->mark);
        commit_decoded_free(&again);
    }
    buf_free(&b);
}

static void decode(const char *text, size_t len, int64_t prefix)
{
    commit_decoded_t decoded;
    if (!commit_decode(text, len, prefix, &decoded))
        return;
    check(&decoded.meta, prefix);
    commit_decoded_free(&decoded);
}

/* As text, and as what the text stands for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t prefixes[] = {0, 1000, INT64_MAX, -1001};
    buf_t raw = {0}, text = {0};
    base64_append(&text, data, size);
    for (int i = 0; i < 4; i++) {
        decode((const char *)data, size, prefixes[i]);
        decode((const char *)text.data, text.len, prefixes[i]);
    }
    if (base64_decode(&raw, (const char *)data, size)) {
        buf_clear(&text);
        base64_append(&text, raw.data, raw.len);
        MUST(text.len == size && (size == 0 || memcmp(text.data, data, size) == 0));
    }
    buf_free(&raw);
    buf_free(&text);
    return 0;
}
