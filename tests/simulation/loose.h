#ifndef SIMULATION_LOOSE_H
#define SIMULATION_LOOSE_H

#include "tokens/tokens.h"

/* Before each run: without the one, without the other. */
void loose_begin(bool without_falling, bool without_void);

#endif
