/* `fanmap health URL`: asks what another service's --metrics answers (probe.h). For health checks in images that have no HTTP
 * client of their own. */
#ifndef CLI_ASK_PROBE_H
#define CLI_ASK_PROBE_H

#include <stdbool.h>

/* Else it is a file. */
bool is_probe_url(const char *text);
/* Prints the answer to a GET of http://HOST:PORT[/PATH], without a path of /readyz. An exit status: EXIT_ALL_WELL for 2xx;
 * otherwise it has complained. */
int ask_probe(const char *url);

#endif
