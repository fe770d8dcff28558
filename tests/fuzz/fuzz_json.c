#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "schemas/mp.h"
#include "schemas/value.h"

/* What is read is sound, can be printed, and reads back to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    buf_t mp = {0}, json = {0}, again = {0};
    fanmap_error_t err;
    if (value_from_json(&mp, (const char *)data, size, &err) == FANMAP_OK) {
        MUST(mp_check(mp.data, mp.len));
        MUST(value_to_json(&json, mp.data, mp.len, &err) == FANMAP_OK);
        MUST(text_utf8_valid(json.data, json.len) && !memchr(json.data, '\n', json.len));
        MUST(value_from_json(&again, (const char *)json.data, json.len, &err) == FANMAP_OK);
        MUST(again.len == mp.len && memcmp(again.data, mp.data, mp.len) == 0);
    } else {
        MUST(mp.len == 0 && strlen(err.message) > 0 && text_utf8_valid(err.message, strlen(err.message)));
    }
    buf_free(&mp);
    buf_free(&json);
    buf_free(&again);
    return 0;
}
