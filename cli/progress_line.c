/* What the line of progress says, and when it says how long it will take. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/progress.h"

enum { STILL_MS = 5000, STILL_GAPS = 3 };

/* No outcome for some seconds, and for longer than outcomes took so far: how long it will take is anybody's guess. */
static bool stands_still(const progress_t *progress, uint64_t known)
{
    int64_t gap_ms = known > 0 ? (progress->moved_ms - progress->began_ms) / (int64_t)known : 0;
    int64_t still_ms = progress->shown_ms - progress->moved_ms;
    return still_ms >= STILL_MS && still_ms > STILL_GAPS * gap_ms;
}

static size_t put_eta(char *line, size_t cap, const progress_t *progress, const fanmap_stats_t *s)
{
    if (stands_still(progress, s->known) || s->total < 0 || progress->rate <= 0 || s->known >= (uint64_t)s->total)
        return 0;
    double left = (double)((uint64_t)s->total - s->known) / progress->rate;
    if (left > 359999)
        return 0;
    unsigned seconds = (unsigned)(left + 0.5);
    return (size_t)snprintf(line, cap, ", ETA %u:%02u:%02u", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

static void format(const progress_t *progress, const fanmap_stats_t *s, char *line, size_t cap)
{
    int n = s->total >= 0 ? snprintf(line, cap, "%" PRIu64 "/%" PRId64, s->known, s->total)
                          : snprintf(line, cap, "%" PRIu64 " of %" PRIu64 " so far", s->known, s->published);
    n += snprintf(line + n, cap - (size_t)n, ", %.0f/s", progress->rate);
    if (s->failed)
        n += snprintf(line + n, cap - (size_t)n, ", %" PRIu64 " failed", s->failed);
    if (s->retried)
        n += snprintf(line + n, cap - (size_t)n, ", %" PRIu64 " retried", s->retried);
    put_eta(line + n, cap - (size_t)n, progress, s);
}

void progress_step(progress_t *progress, const fanmap_stats_t *stats, int64_t now_ms, char *line, size_t cap)
{
    int64_t elapsed_ms = now_ms - progress->shown_ms;
    double rate = (double)(stats->known - progress->shown_known) * 1000 / (double)elapsed_ms;
    progress->rate = progress->rate > 0 ? 0.8 * progress->rate + 0.2 * rate : rate;
    if (stats->known != progress->shown_known)
        progress->moved_ms = now_ms;
    progress->shown_ms = now_ms;
    progress->shown_known = stats->known;
    format(progress, stats, line, cap);
}
