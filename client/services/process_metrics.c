/* The process as the kernel sees it, under the names that Prometheus's own clients use. What cannot be read is left out. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/services/metrics.h"

labels_t labels_of(const char *queue, const char *task, const char *name, const char *value)
{
    return (labels_t){.at = {{"queue", queue}, {"task", task}, {name, value}}, .n = name ? 3 : 2};
}

static void put_one(exposition_t *to, const char *name, metric_type_t type, const char *help, uint64_t value)
{
    metrics_family(to, name, type, help);
    metrics_value(to, NULL, 0, value);
}

static void put_memory(exposition_t *to)
{
    uint64_t pages, resident, page = (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%" SCNu64 " %" SCNu64, &pages, &resident) == 2) {
        put_one(to, "process_virtual_memory_bytes", METRIC_GAUGE, "Virtual memory.", pages * page);
        put_one(to, "process_resident_memory_bytes", METRIC_GAUGE, "Resident memory.", resident * page);
    }
    if (file)
        fclose(file);
}

/* Descriptors but that of the folder itself. */
static void put_descriptors(exposition_t *to)
{
    struct rlimit limit;
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    for (const struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    if (dir) {
        closedir(dir);
        put_one(to, "process_open_fds", METRIC_GAUGE, "Open descriptors.", n - 1);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        put_one(to, "process_max_fds", METRIC_GAUGE, "Descriptors that may be open.", limit.rlim_cur);
}

/* It is the 22nd field, in ticks since the machine began; names before it may hold anything but end with the last ')'. */
static void put_start(exposition_t *to)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[n] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    uint64_t ticks;
    if (at && sscanf(at, " %" SCNu64, &ticks) == 1) {
        struct timespec up;
        clock_gettime(CLOCK_BOOTTIME, &up);
        int64_t boot_ms = wall_ms() - (int64_t)up.tv_sec * 1000 - up.tv_nsec / 1000000;
        uint64_t began_us = (uint64_t)boot_ms * 1000 + ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
        metrics_family(to, "process_start_time_seconds", METRIC_GAUGE, "When the process began, in unix time.");
        metrics_seconds(to, NULL, 0, began_us);
    }
    if (file)
        fclose(file);
}

static uint64_t us_of(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

void metrics_of_process(exposition_t *to)
{
    const metric_label_t version = {"version", fanmap_version()};
    struct rusage usage;
    metrics_family(to, "fanmap_build_info", METRIC_GAUGE, "Always 1; its label says which fanmap this is.");
    metrics_value(to, &version, 1, 1);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        metrics_family(to, "process_cpu_seconds_total", METRIC_COUNTER,
                       "CPU time of this process, without its attempts.");
        metrics_seconds(to, NULL, 0, us_of(usage.ru_utime) + us_of(usage.ru_stime));
    }
    put_memory(to);
    put_descriptors(to);
    put_start(to);
}

int metrics_tell(exposition_t *to, fanmap_text_fn fn, void *arg, fanmap_error_t *err)
{
    metrics_end(to);
    int r = to->out->failed ? err_set(err, FANMAP_ENOMEM, "out of memory") : FANMAP_OK;
    if (r == FANMAP_OK)
        fn(arg, (const char *)to->out->data, to->out->len);
    buf_free(to->out);
    return r;
}

void health_set(fanmap_health_t *ret, size_t sizeof_ret, bool is_ready, const char *why)
{
    fanmap_health_t health = {.is_ready = is_ready};
    snprintf(health.why, sizeof health.why, "%s", why ? why : "");
    memset(ret, 0, sizeof_ret);
    memcpy(ret, &health, sizeof_ret < sizeof health ? sizeof_ret : sizeof health);
}
