/* What the line of progress says, and when it says how long it will take. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/progress.h"

enum { STILL_MS = 5000, STILL_GAPS = 3, RECENT_MS = 3000, RECENT_GAPS = 20 };

/* How long an outcome took so far. */
static int64_t mean_gap_ms(const progress_t *progress, uint64_t known)
{
    return known > 0 ? (progress->moved_ms - progress->began_ms) / (int64_t)known : 0;
}

/* No outcome for some seconds, and for longer than outcomes took so far: how long it will take is anybody's guess. */
static bool stands_still(const progress_t *progress, uint64_t known)
{
    int64_t gap_ms = mean_gap_ms(progress, known), still_ms = progress->shown_ms - progress->moved_ms;
    return still_ms >= STILL_MS && still_ms > STILL_GAPS * gap_ms;
}

/* What the line may say, in the order in which it stands there. Where there is no room they go in
 * the order of `first_to_go`; the count stays. */
enum { PART_COUNT, PART_RATE, PART_FAILED, PART_RETRIED, PART_ETA, PARTS, PART_BYTES = 64 };
static const int first_to_go[] = {PART_RETRIED, PART_RATE, PART_ETA, PART_FAILED};

static void put_eta(char *part, const progress_t *progress, const fanmap_stats_t *s)
{
    if (stands_still(progress, s->known) || s->total < 0 || progress->rate <= 0 || s->known >= (uint64_t)s->total)
        return;
    double left = (double)((uint64_t)s->total - s->known) / progress->rate;
    if (left > 359999)
        return;
    unsigned seconds = (unsigned)(left + 0.5);
    snprintf(part, PART_BYTES, "ETA %u:%02u:%02u", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

static size_t join_parts(char parts[PARTS][PART_BYTES], char *line, size_t cap)
{
    size_t n = 0;
    *line = '\0';
    for (int i = 0; i < PARTS; i++)
        if (parts[i][0] && n < cap)
            n += (size_t)snprintf(line + n, cap - n, "%s%s", n > 0 ? ", " : "", parts[i]);
    return n;
}

static void format_line(const progress_t *progress, const fanmap_stats_t *s, char *line, size_t cap)
{
    char parts[PARTS][PART_BYTES] = {""};
    snprintf(parts[PART_COUNT], PART_BYTES, "%" PRIu64 "/%" PRId64, s->known, s->total);
    if (s->total < 0)
        snprintf(parts[PART_COUNT], PART_BYTES, "%" PRIu64 " of %" PRIu64 " so far", s->known, s->published);
    snprintf(parts[PART_RATE], PART_BYTES, "%.0f/s", progress->rate);
    if (s->failed)
        snprintf(parts[PART_FAILED], PART_BYTES, "%" PRIu64 " failed", s->failed);
    if (s->retried)
        snprintf(parts[PART_RETRIED], PART_BYTES, "%" PRIu64 " retried", s->retried);
    put_eta(parts[PART_ETA], progress, s);
    for (size_t i = 0; join_parts(parts, line, cap) >= cap && i < sizeof first_to_go / sizeof *first_to_go; i++)
        parts[first_to_go[i]][0] = '\0';
}

/* Over some outcomes, however far apart they come: what comes once a second makes no rate of one between two looks. */
static void weigh_rate(progress_t *progress, uint64_t came, int64_t elapsed_ms, int64_t gap_ms)
{
    double window_ms = gap_ms * RECENT_GAPS > RECENT_MS ? (double)(gap_ms * RECENT_GAPS) : RECENT_MS;
    double kept = progress->shown_known > 0 ? window_ms / (window_ms + (double)elapsed_ms) : 1;
    progress->recent_known = kept * progress->recent_known + (double)came;
    progress->recent_ms = kept * progress->recent_ms + (double)elapsed_ms;
    progress->rate = progress->recent_known * 1000 / progress->recent_ms;
}

void progress_step(progress_t *progress, const fanmap_stats_t *stats, int64_t now_ms, char *line, size_t cap)
{
    if (stats->known != progress->shown_known)
        progress->moved_ms = now_ms;
    weigh_rate(progress, stats->known - progress->shown_known, now_ms - progress->shown_ms,
               mean_gap_ms(progress, stats->known));
    progress->shown_ms = now_ms;
    progress->shown_known = stats->known;
    format_line(progress, stats, line, cap);
}
