#include "schemas/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static bool is_hex(const char *text, size_t n)
{
    return strspn(text, "0123456789abcdef") >= n;
}

static bool is_id(const char *text, size_t n)
{
    return is_hex(text, n) && strspn(text, "0") < n;
}

bool trace_valid(const char *text)
{
    return strlen(text) == TRACE_MAX && memcmp(text, "00-", 3) == 0 && is_id(text + TRACE_ID_AT, 32) &&
           text[TRACE_SPAN_AT - 1] == '-' && is_id(text + TRACE_SPAN_AT, 16) && text[TRACE_FLAGS_AT - 1] == '-' &&
           is_hex(text + TRACE_FLAGS_AT, 2);
}

bool trace_is_sampled(const char *text)
{
    return strchr("13579bdf", text[TRACE_MAX - 1]) != NULL;
}

uint64_t trace_span(uint64_t salt, uint64_t index, uint32_t attempt, uint32_t n)
{
    const uint64_t run[] = {index, (uint64_t)attempt << 32 | n};
    uint64_t span = XXH64(run, sizeof run, salt);
    return span != 0 ? span : 1;
}

void trace_child(char ret[TRACE_MAX + 1], const char *parent, uint64_t span)
{
    (void)snprintf(ret, TRACE_MAX + 1, "%.36s%016" PRIx64 "%.3s", parent, span, parent + TRACE_FLAGS_AT - 1);
}
