/* Names: what a commit says of an item before it starts, whether it needs one, and whether there is room for it. The story, and who
 * asks for names: worker/core/poison.c. */
#include "worker/core/state.h"

enum {
    SUSPECT_CHARGES = 2,
    NAME_BYTES = 7,  /* a step below 2^32 and a member's place */
    FRAME_BYTES = 44 /* everything else that must be there */
};

uint32_t names_max(const worker_t *w, const worker_part_t *part)
{
    size_t bytes = (w->config.metadata_max > 0 ? w->config.metadata_max : COMMIT_BYTES_MAX) / 4 * 3;
    size_t taken = FRAME_BYTES + w->member_len + part->members_bytes;
    size_t fit = bytes > taken ? (bytes - taken) / NAME_BYTES : 0;
    size_t most = w->config.names_max > 0 ? w->config.names_max : COMMIT_NAMES_MAX;
    return (uint32_t)(fit < most ? fit : most);
}

static uint32_t suspicion(const worker_item_t *item)
{
    return item->charges > item->deaths ? item->charges - item->deaths : 0;
}

/* Two workers died with it, or one did and its next charge is the last. */
bool name_is_suspect(const worker_item_t *item)
{
    uint32_t cap = item->job->spec->crash_cap, worker_deaths = suspicion(item);
    return worker_deaths >= SUSPECT_CHARGES || (worker_deaths > 0 && cap > 0 && item->charges + 1 >= cap);
}

bool name_is_needed(const worker_item_t *item)
{
    return item->offset < item->part->mark || suspicion(item) > 0;
}

bool name_must_wait(const worker_item_t *item)
{
    if (item->is_claimed)
        return false; /* the closing commit named it */
    return item->offset >= item->part->horizon || (name_is_needed(item) && item->name != NAME_HELD);
}

/* Of what must be named and is in no slot, or has a name there. */
static uint32_t standing(const worker_part_t *part)
{
    return part->claims_n + part->kept_n + part->names_n;
}

bool names_have_ample_room(const worker_t *w, const worker_part_t *part)
{
    return standing(part) + w->config.slots_n <= names_max(w, part);
}

static uint32_t in_slots(const worker_t *w, const worker_part_t *part)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->config.slots_n; i++)
        for (const worker_item_t *item = w->slots[i].runs.head; item != NULL; item = item->next)
            n += item->part == part && !item->is_claimed && item->name == NAME_NONE;
    return n;
}

bool names_have_room(const worker_t *w, const worker_part_t *part)
{
    return names_have_ample_room(w, part) || standing(part) + in_slots(w, part) < names_max(w, part);
}

bool name_has_room(const worker_t *w, const worker_item_t *item)
{
    return item->is_claimed || item->name != NAME_NONE || names_have_room(w, item->part);
}

void name_set(worker_t *w, worker_item_t *item, item_name_t name)
{
    invariant(item->name == NAME_NONE && name != NAME_NONE);
    item->name = (uint8_t)name;
    item->name_number = 0;
    item->part->names_n++;
    item->job->names_n++;
    w->names_n++;
}

void name_hold(worker_t *w, worker_item_t *item)
{
    if (item->name == NAME_NONE && name_is_needed(item))
        name_set(w, item, NAME_HELD);
    if (name_is_suspect(item) && w->suspect == NULL)
        w->suspect = item; /* nothing that is charged starts beside it */
}

void name_drop(worker_t *w, worker_item_t *item)
{
    if (item->name == NAME_NONE)
        return;
    invariant(item->part->names_n > 0 && item->job->names_n > 0 && w->names_n > 0);
    item->name = NAME_NONE;
    item->part->is_dirty = true;
    item->part->names_n--;
    item->job->names_n--;
    w->names_n--;
}

void suspect_end(worker_t *w, worker_item_t *item)
{
    if (w->suspect != item)
        return;
    w->suspect = NULL;
    w->suspect_part = item->part->is_owned ? item->part : NULL;
    w->suspect_number = w->commits_n;
    item->part->must_commit = true;
}
