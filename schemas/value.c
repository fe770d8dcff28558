/* Values that need no JSON: texts and bytes. */
#include "schemas/value.h"

#include "base/error.h"
#include "base/text.h"
#include "schemas/mp.h"

/* The place of the first byte that is not UTF-8. */
static size_t first_invalid(const char *text, size_t len)
{
    size_t i = 0, n;
    uint32_t scalar;
    while (i < len && (n = text_utf8_decode(text + i, len - i, &scalar)) > 0)
        i += n;
    return i;
}

int value_from_text(buf_t *b, const char *text, size_t len, fanmap_error_t *err)
{
    if (!text_utf8_valid(text, len))
        return err_set(err, FANMAP_EUSAGE, "not UTF-8 at byte %zu", first_invalid(text, len) + 1);
    mp_put_str(b, text, len);
    return b->failed ? err_set(err, FANMAP_ENOMEM, "out of memory") : FANMAP_OK;
}

bool value_as_bytes(const void *mp, size_t len, const void **ret, size_t *ret_len)
{
    mp_reader_t r;
    mp_reader_init(&r, mp, len);
    mp_type_t type = mp_peek(&r);
    if (type != MP_STR && type != MP_BIN)
        return false;
    size_t n;
    const void *bytes = type == MP_STR ? mp_read_str(&r, &n) : mp_read_bin(&r, &n);
    if (!mp_done(&r))
        return false;
    *ret = bytes;
    *ret_len = n;
    return true;
}
