#include "fuzz.h"
#include "schemas/served.h"

enum { FRAME_MAX = 1 << 16 };

static void look(const served_message_t *said)
{
    MUST(said->type == SLOT_HELLO || said->type == SLOT_READY || said->type == SLOT_DONE);
    if (said->type == SLOT_HELLO && said->version == SERVED_VERSION) {
        MUST(mp_check(said->tasks, said->tasks_len));
        (void)served_has_task(said->tasks, said->tasks_len, "square");
    }
    if (said->type == SLOT_DONE && !said->is_error)
        MUST(mp_check(said->value, said->value_len));
    if (said->type == SLOT_DONE && said->is_error)
        MUST(said->error_type != NULL && said->message != NULL);
}

static void read_stream(served_encoding_t encoding, const uint8_t *data, size_t size)
{
    served_reader_t r = {.encoding = encoding};
    served_message_t said;
    size_t used = 0;
    int got;
    while ((got = served_decode(&r, data, size, FRAME_MAX, &said, &used)) == 1) {
        MUST(used > 0 && used <= size);
        look(&said);
        data += used;
        size -= used;
    }
    MUST(got == 0 || r.why[0] != '\0');
    served_reader_free(&r);
}

/* What a program says, as the supervisor of its slot reads it: a stream in either encoding, or one that has to be
 * found. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_stream(SERVED_UNKNOWN, data, size);
    read_stream(SERVED_JSON, data, size);
    read_stream(SERVED_MSGPACK, data, size);
    /* One message as it is, whatever encoding its ends are missing of. */
    uint8_t whole[4096 + 4] = {(uint8_t)size, (uint8_t)(size >> 8)};
    if (size > 4096)
        return 0;
    for (size_t i = 0; i < size; i++)
        whole[4 + i] = data[i];
    read_stream(SERVED_MSGPACK, whole, size + 4);
    whole[4 + size - (size > 0)] = '\n';
    read_stream(SERVED_JSON, whole + 4, size);
    return 0;
}
