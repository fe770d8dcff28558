#ifndef CLIENT_OPTIONS_POLICY_H
#define CLIENT_OPTIONS_POLICY_H

#include "fanmap/admin.h"
#include "schemas/spec.h"

typedef struct {
    size_t n;
    const char *names[FANMAP_POLICY_MAX];
    char values[FANMAP_POLICY_MAX][96];
} policy_t;

/* What maps and streams have in common of a policy, from the options into the spec. Refused: a limit that counts the
 * processors of this machine, `is_fleet`; a limit without `has_tokens`. */
int policy_from_options(const fanmap_options_t *options, bool is_fleet, bool has_tokens, spec_t *spec,
                        fanmap_error_t *err);
/* What the job was submitted with, as options of fanmap_map and their values; defaults are left out. */
void policy_fill(policy_t *policy, const spec_t *spec);

#endif
