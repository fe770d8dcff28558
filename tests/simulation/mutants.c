#include "mutants.h"

#include <string.h>

#include "tokens/tokens.h"

const mutant_t mutants_all[] = {
    {.name = "freeze", .what = PROTECTION_FREEZE, .breaks = "run at once"},
    {.name = "allow-falls-first", .what = PROTECTION_ALLOW_FALLS, .breaks = "run at once"},
    {.name = "commit-prefix", .what = PROTECTION_PREFIX, .breaks = "past the unfinished"},
    {.name = "commit-stored", .what = PROTECTION_STORED, .breaks = "past the unfinished"},
    {.name = "parked", .what = PROTECTION_PARKED, .breaks = "dead letter"},
    {.name = "names", .what = PROTECTION_NAMES, .breaks = "has not ended"},
    {.name = "claims", .what = PROTECTION_CLAIMS, .breaks = " and at "},
    {.name = "notes", .what = PROTECTION_NOTES, .breaks = "the outcome is crashed"},
    {.name = "marks", .what = PROTECTION_MARKS, .breaks = "has not ended"},
    {.name = "charges", .what = PROTECTION_CHARGES, .breaks = "has not ended"},
    {.name = "kill-on-loss", .what = PROTECTION_LOSS, .breaks = " and at "},
    {.name = "control", .what = PROTECTION_CONTROL, .breaks = "does not obey"},
    {.name = "first-counts", .what = PROTECTION_FIRST, .breaks = "another list"},
    {.name = "input-chain", .what = PROTECTION_CHAIN, .breaks = "another input is taken"},
    {.name = "progress-offsets", .what = PROTECTION_OFFSETS, .breaks = "published twice"},
    {.name = "handed", .what = PROTECTION_HANDED, .breaks = "past the unfinished"},
    {.name = "announcement", .what = PROTECTION_ANNOUNCED, .breaks = "has another producer"},
    {.name = "nonce",
     .what = PROTECTION_SCRIPT,
     .breaks = "run at once",
     .rule = "head.nonce ~= nonce -- also",
     .without = "head.nonce == nil -- also"},
    {.name = "no-cut",
     .what = PROTECTION_SCRIPT,
     .breaks = "run at once",
     .rule = "allow = me.target\n",
     .without = "allow = me.target me.held = me.target\n"},
    {.name = "run-id",
     .what = PROTECTION_SCRIPT,
     .breaks = "run at once",
     .rule = "or head.run ~= run",
     .without = "",
     .is_rare = true},
    {.name = "learning",
     .what = PROTECTION_SCRIPT,
     .breaks = "run at once",
     .rule = "rows, clock, learn, drain = {}, 0, lease, false",
     .without = "rows, clock, learn, drain = {}, 0, 0, false"},
    {.name = "clock-cap",
     .what = PROTECTION_SCRIPT,
     .breaks = "run at once",
     .rule = "math.min(now - last, math.floor(lease / 5))",
     .without = "now - last"},
    {.name = "drain",
     .what = PROTECTION_SCRIPT,
     .breaks = "run at once",
     .rule = "local draining = sum > n",
     .without = "n = math.max(n, sum) local draining = false"},
    {.name = "seq",
     .what = PROTECTION_SCRIPT,
     .breaks = "run at once",
     .rule = "me ~= nil and seq <= me.seq",
     .without = "false"},
    {.name = "z",
     .what = PROTECTION_SCRIPT,
     .breaks = "run at once",
     .rule = "or z > number(head.z)",
     .without = "",
     .is_rare = true},
    {.name = "n-version",
     .what = PROTECTION_SCRIPT,
     .breaks = "run at once",
     .rule = "number(head.nv) >= n_version",
     .without = "false",
     .is_rare = true},
};
const size_t mutants_n = sizeof mutants_all / sizeof mutants_all[0];

const mutant_t *mutant_find(const char *name)
{
    for (size_t i = 0; i < mutants_n; i++)
        if (strcmp(mutants_all[i].name, name) == 0)
            return &mutants_all[i];
    return NULL;
}
