/* What must hold whatever comes from outside: a broken one is a fault of this code, never of an input, a broker or a file.
 *
 * With FANMAP_INVARIANTS defined a broken invariant says where it stands and aborts. Debug builds define it, and so do the
 * cores that the simulation and the unit tests are linked with (cmake/Layers.cmake). A release has none of it: the condition
 * is compiled, so that it cannot rot, and never evaluated, so that a library never aborts its caller. Conditions therefore
 * have no side effects.
 */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

#ifdef FANMAP_INVARIANTS
#include <stdio.h>
#include <stdlib.h>

static inline void invariant_holds(_Bool holds, const char *file, int line, const char *condition)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, condition);
    abort();
}
#define invariant(condition) invariant_holds((condition), __FILE__, __LINE__, #condition)
#else
#define invariant(condition) ((void)(0 && (condition)))
#endif

#endif
