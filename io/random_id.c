/* Random names from getrandom, which only fails before the system has gathered enough at its start. */
#include "io/random_id.h"

#include <errno.h>
#include <sys/random.h>

#include "fanmap/fanmap.h"

int random_bytes(void *ret, size_t n)
{
    ssize_t got;
    do
        got = getrandom(ret, n, 0);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)n ? FANMAP_OK : FANMAP_EIO;
}

int random_id(char *ret, size_t n)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char bytes[64];
    if (n > sizeof bytes || random_bytes(bytes, n) != FANMAP_OK)
        return FANMAP_EIO;
    for (size_t i = 0; i < n; i++)
        ret[i] = digits[bytes[i] % 36];
    ret[n] = '\0';
    return FANMAP_OK;
}
