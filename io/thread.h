/* Threads of ours, beside those of the program that uses the library. */
#ifndef IO_THREAD_H
#define IO_THREAD_H

#include <pthread.h>
#include <signal.h>

/* None of the program's signals is delivered to it. stack_bytes 0: the usual. `ret` NULL: nobody waits for its end. Returns
 * 0, or an error's number. */
static inline int thread_start(void *(*run)(void *arg), void *arg, size_t stack_bytes, pthread_t *ret)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    if (ret == NULL)
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (stack_bytes > 0)
        pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(ret != NULL ? ret : &thread, &attributes, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return code;
}

#endif
