/* What waits is counted by stretches of the log. Each begins `grain` records behind the one before; when there is no room
 * for another, every second one is taken into the one before it and the grain doubles, so that they get longer the more
 * of the log waits. The first stretch with something in it is where a reader goes on: at most a stretch too early, never
 * too late. */
#include "aggregator/reading.h"

#include "base/invariant.h"

bool reading_begin(reading_t *reading, bool is_unordered, const position_t *position)
{
    reading->is_unordered = is_unordered;
    if (!position)
        return true;
    if (position->kind == POSITION_INDEX || position->kind == POSITION_ORDERED)
        reading->from = position->number;
    else
        reading->from = position->from;
    if (!is_unordered || position->kind == POSITION_ARRIVAL || position->kind == POSITION_COUNT)
        reading->number = position->number;
    if (position->kind == POSITION_COUNT)
        reading->skip = position->number;
    bitset_set_prefix(&reading->given, is_unordered ? reading->from : 0);
    return position_given(position, &reading->given);
}

void reading_free(reading_t *reading)
{
    bitset_free(&reading->given);
}

/* ---- stretches ---- */

/* One that nothing waits in says nothing. */
static void drop_empty(reading_t *reading)
{
    size_t n = 0;
    for (size_t i = 0; i < reading->stretches_n; i++)
        if (reading->stretches[i].waiting > 0)
            reading->stretches[n++] = reading->stretches[i];
    reading->stretches_n = n;
}

static void make_room(reading_t *reading)
{
    drop_empty(reading);
    if (reading->stretches_n < READING_STRETCHES_MAX / 4)
        reading->grain /= 2;
    if (reading->stretches_n < READING_STRETCHES_MAX)
        return;
    for (size_t i = 0; i < READING_STRETCHES_MAX / 2; i++) {
        reading->stretches[i] = reading->stretches[2 * i];
        reading->stretches[i].waiting += reading->stretches[2 * i + 1].waiting;
    }
    reading->stretches_n = READING_STRETCHES_MAX / 2;
    reading->grain = reading->grain > 0 ? reading->grain * 2 : 2;
}

/* Of the record that is being read. */
static stretch_t *current(reading_t *reading)
{
    size_t n = reading->stretches_n;
    uint32_t apart = n > 0 ? reading->now.mark - reading->stretches[n - 1].mark : 0;
    bool is_due = n == 0 || (apart > 0 && apart >= reading->grain);
    if (is_due && n == READING_STRETCHES_MAX) {
        make_room(reading);
        return current(reading);
    }
    if (is_due)
        reading->stretches[reading->stretches_n++] = reading->now;
    return &reading->stretches[reading->stretches_n - 1];
}

static stretch_t *stretch_of(reading_t *reading, uint32_t mark)
{
    size_t low = 0, high = reading->stretches_n;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (reading->stretches[middle].mark <= mark)
            low = middle;
        else
            high = middle;
    }
    return &reading->stretches[low];
}

/* ---- what happens ---- */

uint32_t reading_record(reading_t *reading, int64_t offset, const list_t *list)
{
    uint32_t mark = reading->now.mark;
    reading->now = (stretch_t){mark < UINT32_MAX ? mark + 1 : mark, offset, list_now(list)->prefix, 0};
    reading->next_offset = offset + 1;
    return reading->now.mark;
}

bool reading_skips(reading_t *reading, uint64_t index)
{
    if (reading->skip == 0)
        return false;
    reading->skip--;
    (void)bitset_set(&reading->given, index);
    return true;
}

bool reading_accepts(reading_t *reading, uint64_t index)
{
    if (index < reading->from)
        return false;
    if (reading_skips(reading, index))
        return false;
    current(reading)->waiting++;
    reading->waiting++;
    return true;
}

bool reading_out(reading_t *reading, uint64_t index, uint32_t mark)
{
    if (mark > 0) {
        stretch_t *stretch = stretch_of(reading, mark);
        invariant(reading->stretches_n > 0 && stretch->waiting > 0);
        stretch->waiting--;
        reading->waiting--;
    }
    reading->number = reading->is_unordered ? reading->number + 1 : index + 1;
    if (reading->is_unordered)
        (void)bitset_set(&reading->given, index);
    return !reading->given.failed;
}

/* ---- the position ---- */

/* False: there are too many, or they are too far apart. */
static bool put_given(const reading_t *reading, position_t *ret)
{
    uint64_t at = reading->from, end, begin = at;
    while ((at = bitset_next(&reading->given, at, UINT64_MAX, true)) != UINT64_MAX) {
        end = bitset_next(&reading->given, at, UINT64_MAX, false);
        if (at == reading->from)
            begin = end;
        if (ret->ranges_n == POSITION_RANGES_MAX || end - begin > POSITION_SPREAD_MAX)
            return false;
        ret->given[ret->ranges_n].from = at;
        ret->given[ret->ranges_n++].n = end - at;
        at = end;
    }
    return true;
}

static void put_place(const reading_t *reading, const list_t *list, position_t *ret)
{
    list_numbers(list, ret);
    ret->kind = reading->is_unordered ? POSITION_ARRIVAL : POSITION_ORDERED;
    ret->waiting = reading->waiting + list_resume_left(list);
    ret->read_to = list_resume_end(list) > reading->next_offset ? list_resume_end(list) : reading->next_offset;
    ret->reread_at = list_resume_left(list) > 0 ? reading->next_offset : ret->read_to;
    ret->reread_prefix = list_now(list)->prefix;
    for (size_t i = 0; i < reading->stretches_n; i++) {
        if (reading->stretches[i].waiting == 0)
            continue;
        ret->reread_at = reading->stretches[i].offset;
        ret->reread_prefix = reading->stretches[i].prefix;
        break;
    }
}

/* The numbers of the list count what lies below `from` too. While some of that is still to come, only reading from the
 * start can tell one that comes later from one that was there. */
static bool has_place(const reading_t *reading, const list_t *list)
{
    return list && list_start_offset(list) >= 0 && reading->skip == 0 && !list_is_misfit(list) &&
           (list_state(list) != LIST_OPEN || list_has_prefix(list, reading->from));
}

void reading_position(const reading_t *reading, const list_t *list, uint64_t job, position_t *ret)
{
    *ret = (position_t){.number = reading->number, .job = job};
    if (reading->is_unordered) {
        ret->kind = POSITION_COUNT;
        ret->from = reading->from;
    }
    if (!has_place(reading, list))
        return;
    if (reading->is_unordered && !put_given(reading, ret)) {
        ret->ranges_n = 0;
        return;
    }
    put_place(reading, list, ret);
}
