#include "fuzz.h"
#include "schemas/slotwire.h"

/* A stream of frames, as a worker or a slot reads it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slot_frame_t frame;
    size_t used;
    while (slot_frame_decode(data, size, 1 << 16, &frame, &used) == 1) {
        MUST(used >= 4 && used <= size);
        if (frame.type == SLOT_RUN)
            MUST(mp_check(frame.run.in, frame.run.in_len));
        if (frame.type == SLOT_DONE && frame.done.kind == FANMAP_VALUE)
            MUST(mp_check(frame.done.value, frame.done.value_len));
        if (frame.type == SLOT_JOB && frame.job.bound_len > 0)
            MUST(mp_check(frame.job.bound, frame.job.bound_len));
        data += used;
        size -= used;
    }
    /* Without the length in front, so that mutations reach the fields. */
    uint8_t whole[4096 + 4] = {(uint8_t)size, (uint8_t)(size >> 8)};
    for (size_t i = 0; i < size && i < 4096; i++)
        whole[4 + i] = data[i];
    if (size <= 4096)
        MUST(slot_frame_decode(whole, size + 4, sizeof whole, &frame, &used) != 0);
    return 0;
}
