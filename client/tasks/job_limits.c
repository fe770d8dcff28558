#include "client/tasks/job_limits.h"

#include "base/duration.h"

void job_limits_default(const fanmap_options_t *options, slots_catalogue_t *catalogue)
{
    for (size_t i = 0; i < catalogue->n; i++) {
        limits_t *limits = &catalogue->tasks[i].terms.limits;
        if (limits->memory_bytes == 0)
            limits->memory_bytes = options_bytes(options, OPT_MEMORY);
        if (limits->cpus_milli == 0)
            limits->cpus_milli = options_cpus_milli(options, OPT_CPUS);
        if (limits->cpu_time_ms == 0)
            limits->cpu_time_ms = (uint32_t)options_ms(options, OPT_CPU_TIME);
    }
}

limits_t job_limits_of(const spec_t *spec)
{
    return (limits_t){
        .memory_bytes = spec->memory_bytes, .cpus_milli = spec->cpus_milli, .cpu_time_ms = spec->cpu_time_ms};
}

static bool is_over(uint64_t asked, uint64_t allowed)
{
    return allowed > 0 && asked > allowed;
}

int job_limits_check(const spec_t *spec, const limits_t *allowed, const char *whose, fanmap_error_t *err)
{
    char asked[40], bound[40];
    if (is_over(spec->memory_bytes, allowed->memory_bytes))
        return err_set(err, FANMAP_EUSAGE, "--memory %s is more than %s allows: %s",
                       size_format(asked, sizeof asked, spec->memory_bytes), whose,
                       size_format(bound, sizeof bound, allowed->memory_bytes));
    if (is_over(spec->cpus_milli, allowed->cpus_milli))
        return err_set(err, FANMAP_EUSAGE, "--cpus %g is more than %s allows: %g", spec->cpus_milli / 1000.0, whose,
                       allowed->cpus_milli / 1000.0);
    if (is_over(spec->cpu_time_ms, allowed->cpu_time_ms))
        return err_set(err, FANMAP_EUSAGE, "--cpu-time %s is more than %s allows: %s",
                       duration_format(asked, sizeof asked, spec->cpu_time_ms), whose,
                       duration_format(bound, sizeof bound, allowed->cpu_time_ms));
    return FANMAP_OK;
}
