/* The plan as msgpack in a sealed memfd. It comes from our own worker; it is read with bounds all the same, for the
 * processes that read it outlive what wrote it. */
#include "slots/shared/plan.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLAN_FIELDS = 13 };

static void plan_encode(buf_t *b, const plan_t *plan)
{
    mp_put_array(b, PLAN_FIELDS);
    mp_put_uint(b, PLAN_VERSION);
    mp_put_uint(b, plan->slots_n);
    mp_put_uint(b, plan->session_ms);
    mp_put_bool(b, plan->use_cgroups);
    mp_put_text(b, plan->libexec);
    mp_put_array(b, plan->tasks_n);
    for (uint32_t i = 0; i < plan->tasks_n; i++)
        slots_task_encode(b, &plan->tasks[i]);
    mp_put_uint(b, plan->start_timeout_ms);
    mp_put_uint(b, plan->bye_ms);
    mp_put_uint(b, plan->lasts_ms);
    mp_put_uint(b, plan->ordinary.core_bytes);
    mp_put_uint(b, plan->ordinary.files_n);
    mp_put_bool(b, plan->ordinary.may_gain);
    task_user_encode(b, &plan->ordinary.user);
}

static bool plan_decode(const void *bytes, size_t len, plan_t *ret)
{
    mp_reader_t r;
    plan_t plan = {0};
    mp_reader_init(&r, bytes, len);
    r.bad = mp_read_array(&r) != PLAN_FIELDS || mp_read_uint(&r) != PLAN_VERSION || r.bad;
    plan.slots_n = (uint32_t)mp_read_uint(&r);
    plan.session_ms = (uint32_t)mp_read_uint(&r);
    plan.use_cgroups = mp_read_bool(&r);
    plan.libexec = text_decode(&r);
    uint32_t n = mp_read_array(&r);
    plan.tasks = r.bad || n > PLAN_TASKS_MAX ? NULL : calloc(n + 1, sizeof *plan.tasks);
    r.bad = r.bad || !plan.tasks;
    for (; plan.tasks_n < n && !r.bad; plan.tasks_n++)
        plan.tasks[plan.tasks_n] = slots_task_decode(&r);
    plan.start_timeout_ms = (uint32_t)mp_read_uint(&r);
    plan.bye_ms = (uint32_t)mp_read_uint(&r);
    plan.lasts_ms = (uint32_t)mp_read_uint(&r);
    plan.ordinary.core_bytes = mp_read_uint(&r);
    plan.ordinary.files_n = mp_read_uint(&r);
    plan.ordinary.may_gain = mp_read_bool(&r);
    plan.ordinary.user = task_user_decode(&r);
    if (r.bad) {
        plan_free(&plan);
        return false;
    }
    *ret = plan;
    return true;
}

int plan_write(const plan_t *plan)
{
    buf_t b = {0};
    plan_encode(&b, plan);
    int fd = b.failed ? -1 : memfd_create("fanmap-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && (pwrite(fd, b.data, b.len, 0) != (ssize_t)b.len ||
                    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)) {
        close(fd);
        fd = -1;
    }
    buf_free(&b);
    return fd;
}

bool plan_read(int fd, plan_t *ret)
{
    struct stat about;
    if (fstat(fd, &about) != 0 || about.st_size <= 0)
        return false;
    size_t len = (size_t)about.st_size;
    void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return false;
    bool ok = plan_decode(bytes, len, ret);
    munmap(bytes, len);
    return ok;
}

void plan_free(plan_t *plan)
{
    for (uint32_t i = 0; plan->tasks && i < plan->tasks_n; i++)
        slots_task_free(&plan->tasks[i]);
    free(plan->tasks);
    free(plan->libexec);
    *plan = (plan_t){0};
}

const slots_task_t *plan_find(const plan_t *plan, const char *name, size_t len)
{
    for (uint32_t i = 0; i < plan->tasks_n; i++)
        if (text_is(name, len, plan->tasks[i].name))
            return &plan->tasks[i];
    return NULL;
}
