#ifndef SIMULATION_LOOSE_H
#define SIMULATION_LOOSE_H

#include "tokens/tokens.h"

/* Before each run: on, or as it is. */
void loose_begin(bool on);

#endif
