/* What the routes begin. Each answers on the connection, now or later. */
#ifndef SERVE_HANDLERS_H
#define SERVE_HANDLERS_H

#include "serve/connection.h"

void map_begin(connection_t *c);    /* map.c */
void submit_begin(connection_t *c); /* submit.c */
void retry_job(connection_t *c);
void outcomes_begin(connection_t *c); /* outcomes.c */
void watch_begin(connection_t *c);    /* watch.c */
void logs_begin(connection_t *c);     /* logs.c, as the next */
void lane_begin(connection_t *c);
void list_tasks(connection_t *c);  /* tasks.c */
void list_events(connection_t *c); /* events.c */
void list_dead(connection_t *c);   /* dead.c, as the next */
void replay_dead(connection_t *c);
void list_jobs(connection_t *c); /* jobs.c, from here on */
void show_job(connection_t *c);
void show_item(connection_t *c);
void patch_job(connection_t *c);
void control_job(connection_t *c);
void list_workers(connection_t *c);
void send_liveness(connection_t *c);
void send_readiness(connection_t *c);
void send_openapi(connection_t *c); /* assets.c, from here on */
void send_front(connection_t *c);
void send_front_file(connection_t *c);

#endif
