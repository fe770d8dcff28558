/* ThreadSanitizer does not know C11 threads, with which Debian's librdkafka is built: a thread that it did not see
 * start crashes it, and locks that it does not see make every hand-over between threads look like a race. Linked into a
 * program under TSan, these take the place of glibc's and go to pthreads, which it knows. In every other build this
 * file is empty. */
#if defined(__SANITIZE_THREAD__)
#define FANMAP_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FANMAP_TSAN 1
#endif
#endif

#ifdef FANMAP_TSAN
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

#define SHIM __attribute__((visibility("default")))
_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t), "glibc");

typedef struct {
    thrd_start_t fn;
    void *arg;
} begin_t;

static void *run(void *arg)
{
    begin_t begin = *(begin_t *)arg;
    free(arg);
    return (void *)(intptr_t)begin.fn(begin.arg);
}

/* It counts references with atomics of its own code, which is not instrumented: what it frees looks raced for. */
SHIM const char *__tsan_default_suppressions(void);
SHIM const char *__tsan_default_suppressions(void)
{
    return "race:librdkafka.so\n";
}

static int as_thrd(int code)
{
    return code == 0 ? thrd_success : code == ETIMEDOUT ? thrd_timedout : code == EBUSY ? thrd_busy : thrd_error;
}

SHIM int thrd_create(thrd_t *thread, thrd_start_t fn, void *arg)
{
    begin_t *begin = malloc(sizeof *begin);
    if (begin == NULL)
        return thrd_nomem;
    *begin = (begin_t){fn, arg};
    return as_thrd(pthread_create(thread, NULL, run, begin));
}
SHIM int thrd_join(thrd_t thread, int *ret)
{
    void *value = NULL;
    int code = pthread_join(thread, &value);
    if (ret != NULL)
        *ret = (int)(intptr_t)value;
    return as_thrd(code);
}
SHIM int thrd_detach(thrd_t thread)
{
    return as_thrd(pthread_detach(thread));
}
SHIM int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    if (type & mtx_recursive)
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    int code = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return as_thrd(code);
}
SHIM int mtx_lock(mtx_t *mutex)
{
    return as_thrd(pthread_mutex_lock((pthread_mutex_t *)mutex));
}
SHIM int mtx_trylock(mtx_t *mutex)
{
    return as_thrd(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}
SHIM int mtx_unlock(mtx_t *mutex)
{
    return as_thrd(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}
SHIM void mtx_destroy(mtx_t *mutex)
{
    pthread_mutex_destroy((pthread_mutex_t *)mutex);
}
SHIM int cnd_init(cnd_t *condition)
{
    return as_thrd(pthread_cond_init((pthread_cond_t *)condition, NULL));
}
SHIM int cnd_signal(cnd_t *condition)
{
    return as_thrd(pthread_cond_signal((pthread_cond_t *)condition));
}
SHIM int cnd_broadcast(cnd_t *condition)
{
    return as_thrd(pthread_cond_broadcast((pthread_cond_t *)condition));
}
SHIM int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return as_thrd(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}
SHIM int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
    return as_thrd(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}
SHIM void cnd_destroy(cnd_t *condition)
{
    pthread_cond_destroy((pthread_cond_t *)condition);
}
#else
typedef int nothing_to_compile_t;
#endif
