#include "serve/retry_body.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "schemas/mp.h"
#include "schemas/value.h"

enum { GROUP_MAX = 64 };

static int set_items(mp_reader_t *r, fanmap_options_t *options, fanmap_error_t *err)
{
    buf_t list = {0};
    uint32_t n = mp_read_array(r);
    for (uint32_t i = 0; i < n && !r->bad; i++)
        buf_printf(&list, "%s%" PRIu64, i > 0 ? "," : "", mp_read_uint(r));
    buf_append(&list, "", 1);
    int code = FANMAP_OK;
    if (list.failed)
        code = err_set(err, FANMAP_ENOMEM, "out of memory");
    else if (!r->bad)
        code = fanmap_options_set(options, "retry-items", (const char *)list.data, err);
    buf_free(&list);
    return code;
}

static int set_fields(mp_reader_t *r, fanmap_options_t *options, fanmap_error_t *err)
{
    char key[16], group[GROUP_MAX];
    int code = FANMAP_OK;
    uint32_t n = mp_read_map(r);
    for (uint32_t i = 0; i < n && code == FANMAP_OK && !r->bad; i++) {
        mp_read_text(r, key, sizeof key);
        if (strcmp(key, "items") == 0) {
            code = set_items(r, options, err);
        } else if (strcmp(key, "group") == 0) {
            mp_read_text(r, group, sizeof group);
            code = fanmap_options_set(options, "retry-group", group, err);
        } else {
            r->bad = true;
        }
    }
    if (code == FANMAP_OK && (r->bad || !mp_done(r)))
        return err_set(err, FANMAP_EUSAGE, "the body is {\"group\": GROUP} or {\"items\": [INDEX, ...]}, or empty");
    return code;
}

int retry_body_read(const buf_t *body, fanmap_options_t *options, fanmap_error_t *err)
{
    buf_t packed = {0};
    mp_reader_t r;
    if (body->len == 0)
        return FANMAP_OK;
    int code = value_from_json(&packed, (const char *)body->data, body->len, err);
    mp_reader_init(&r, packed.data, packed.len);
    if (code == FANMAP_OK)
        code = set_fields(&r, options, err);
    buf_free(&packed);
    return code;
}
