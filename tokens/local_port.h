/* The tokens of the embedded mode: a tokens_port_t whose one holder gets min(want, N). For one worker only: a second one
 * would be granted N once more. Never fails but for memory. */
#ifndef TOKENS_LOCAL_PORT_H
#define TOKENS_LOCAL_PORT_H

#include "io/loop/loop.h"
#include "tokens/port.h"

/* The loop is borrowed and must outlive the port. port->close frees it; calls still unanswered are then dropped. */
int tokens_local_port_open(loop_t *loop, tokens_port_t **ret, fanmap_error_t *err);

#endif
