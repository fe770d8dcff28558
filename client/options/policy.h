#ifndef CLIENT_OPTIONS_POLICY_H
#define CLIENT_OPTIONS_POLICY_H

#include "fanmap/admin.h"
#include "schemas/spec.h"

typedef struct {
    size_t n;
    const char *names[FANMAP_POLICY_MAX];
    char values[FANMAP_POLICY_MAX][96];
} policy_t;

/* What the job was submitted with, as options of fanmap_map and their values; defaults are left out. */
void policy_fill(policy_t *policy, const spec_t *spec);

#endif
