#include <string.h>

#include "fuzz.h"
#include "schemas/mp.h"
#include "schemas/value.h"

/* Whatever is printed as JSON was sound, and reads back to something that prints the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    buf_t json = {0}, mp = {0}, again = {0};
    fanmap_error_t err;
    const void *bytes;
    size_t len;
    bool is_sound = mp_check(data, size);
    if (value_as_bytes(data, size, &bytes, &len))
        MUST(is_sound && len < size);
    if (value_to_json(&json, data, size, &err) == FANMAP_OK) {
        MUST(is_sound);
        MUST(value_from_json(&mp, (const char *)json.data, json.len, &err) == FANMAP_OK);
        MUST(value_to_json(&again, mp.data, mp.len, &err) == FANMAP_OK);
        MUST(again.len == json.len && memcmp(again.data, json.data, json.len) == 0);
    }
    buf_free(&json);
    buf_free(&mp);
    buf_free(&again);
    return 0;
}
