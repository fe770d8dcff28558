#include "client/options/options.h"
#include "fanmap/admin.h"
#include "slots/pool/protocol_check.h"

enum { START_MS = 10000 };

int fanmap_check_task(const fanmap_options_t *options, const char *const *argv, int log_fd, fanmap_check_fn report,
                      void *arg, unsigned *ret_wrong, fanmap_error_t *err)
{
    uint32_t start_timeout_ms = (uint32_t)options_ms(options, OPT_START_TIMEOUT);
    if (start_timeout_ms == 0)
        start_timeout_ms = START_MS;
    return slots_check_program(argv, start_timeout_ms, log_fd, report, arg, ret_wrong, err);
}
