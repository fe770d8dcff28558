#include <string.h>

#include "fuzz.h"
#include "schemas/item.h"

/* What is accepted can be sent again and is then the same item. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    item_t item, again;
    buf_t b = {0};
    if (!item_decode(data, size, &item))
        return 0;
    if (item.type == ITEM_RECORD)
        item_encode(&b, item.index, item.in, item.in_len);
    else
        item_encode_note(&b, &item);
    MUST(item_decode(b.data, b.len, &again));
    MUST(again.type == item.type && again.index == item.index && again.done_offset == item.done_offset);
    MUST(again.in_len == item.in_len && (item.in_len == 0 || memcmp(again.in, item.in, item.in_len) == 0));
    buf_free(&b);
    return 0;
}
