/* What operators ask about (fanmap/admin.h), as JSON: one object each, appended without a newline. `fanmap ... --json`
 * prints them and `fanmap serve` answers with them, so that both say the same. Fields are only added. `out` is a buf_t *: so some
 * can be given to what asks as they are. */
#ifndef VIEWS_VIEWS_H
#define VIEWS_VIEWS_H

#include "base/buf.h"
#include "fanmap/admin.h"

/* "running", "paused" or "ended". */
const char *view_state_word(fanmap_job_state_t state);
const char *view_kind_word(const fanmap_job_info_t *job); /* "job" or "stream" */
void view_job(void *out, const fanmap_job_info_t *job);
void view_show(void *out, const fanmap_show_t *show);
void view_worker(void *out, const fanmap_worker_info_t *worker);
void view_topic(void *out, const fanmap_topic_info_t *topic);
void view_dead(void *out, const fanmap_dead_t *letter);
void view_item(void *out, const fanmap_item_info_t *item);
/* A line, or bytes that were dropped; not the end. */
void view_log_line(void *out, const fanmap_log_line_t *line);
/* Returns the status that HTTP gives it: 200 or 503. */
int view_health(buf_t *out, const fanmap_health_t *health);
/* "ready", "degraded" or "not ready". */
const char *view_health_word(const fanmap_health_t *health);
/* Bytes as text for people: printable ASCII as it is, the rest as \xNN; cut where `ret` is full. */
void view_bytes(char *ret, size_t cap, const void *bytes, size_t len);

#endif
