/* A job as lists and `show` print it. */
#ifndef CLI_JOBS_H
#define CLI_JOBS_H

#include "cli/cli.h"
#include "cli/json.h"

const char *job_state_word(fanmap_job_state_t state);
/* Its fields, into an object that was begun. */
void job_json(json_t *json, const fanmap_job_info_t *job);

#endif
