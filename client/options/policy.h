#ifndef CLIENT_OPTIONS_POLICY_H
#define CLIENT_OPTIONS_POLICY_H

#include "fanmap/admin.h"
#include "schemas/spec.h"

typedef struct {
    size_t n;
    const char *names[FANMAP_POLICY_MAX];
    char values[FANMAP_POLICY_MAX][256]; /* of any topic, and of a filter of records */
} policy_t;

/* What maps and streams have in common of a policy, from the options into the spec. Refused: a limit that counts the
 * processors of this machine, `is_fleet`; a limit without `has_tokens`. */
int policy_from_options(const fanmap_options_t *options, bool is_fleet, bool has_tokens, spec_t *spec,
                        fanmap_error_t *err);
/* What the job was submitted with, as options of fanmap_map and their values; defaults are left out. */
void policy_fill(policy_t *policy, const spec_t *spec);
/* One more, unless it is the default of an option of that name. */
void policy_put(policy_t *policy, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The name of each that is not the same in both, with its value and with that of `asked`: "--retries 0 (not 3), ..."; "": none. */
void policy_differences(const policy_t *is, const policy_t *asked, char *ret, size_t cap);
/* The same of two policies and their limits. Whose trace it is, is nobody's policy. */
void policy_stays(const spec_t *is, const spec_t *asked, char *ret, size_t cap);

#endif
