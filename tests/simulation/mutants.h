/* The protections that can be taken out, one at a time. */
#ifndef SIMULATION_MUTANTS_H
#define SIMULATION_MUTANTS_H

#include "sim.h"

extern const mutant_t mutants_all[];
extern const size_t mutants_n;
const mutant_t *mutant_find(const char *name); /* NULL: none */

/* golden.c: runs each scripted scenario and compares its timeline with DIR/NAME.txt. An exit status. */
int golden_compare_all(const char *dir);

#endif
