#include "mutants.h"

#include <string.h>

#include "tokens/tokens.h"

const mutant_t mutants_all[] = {
    {.name = "freeze", .what = PROTECTION_FREEZE},
    {.name = "allow-falls-first", .what = PROTECTION_ALLOW_FALLS},
    {.name = "commit-prefix", .what = PROTECTION_PREFIX},
    {.name = "commit-stored", .what = PROTECTION_STORED},
    {.name = "parked", .what = PROTECTION_PARKED},
    {.name = "first-counts", .what = PROTECTION_FIRST},
    {.name = "nonce",
     .what = PROTECTION_SCRIPT,
     .rule = "head.nonce ~= nonce -- also",
     .without = "head.nonce == nil -- also"},
    {.name = "no-cut",
     .what = PROTECTION_SCRIPT,
     .rule = "allow = me.target\n",
     .without = "allow = me.target me.held = me.target\n"},
    {.name = "run-id", .what = PROTECTION_SCRIPT, .rule = "or head.run ~= run", .without = ""},
    {.name = "learning",
     .what = PROTECTION_SCRIPT,
     .rule = "rows, clock, learn, drain = {}, 0, lease, false",
     .without = "rows, clock, learn, drain = {}, 0, 0, false"},
    {.name = "clock-cap",
     .what = PROTECTION_SCRIPT,
     .rule = "math.min(now - last, math.floor(lease / 5))",
     .without = "now - last"},
    {.name = "drain",
     .what = PROTECTION_SCRIPT,
     .rule = "local draining = sum > n",
     .without = "n = math.max(n, sum) local draining = false"},
};
const size_t mutants_n = sizeof mutants_all / sizeof mutants_all[0];

const mutant_t *mutant_find(const char *name)
{
    for (size_t i = 0; i < mutants_n; i++)
        if (strcmp(mutants_all[i].name, name) == 0)
            return &mutants_all[i];
    return NULL;
}
