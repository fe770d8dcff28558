/* Protections of the worker's side of the tokens, taken out: the linker leads these calls through here (--wrap).
 *
 * "Allow falls first".
 * Everything passes unchanged unless the run is without that protection; then allow stays what the last reply said, as
 * if it did not fall to what is kept before a request leaves. */
#include "loose.h"

#include <stddef.h>

enum { LOOSE_MAX = 64 };

static struct {
    const tokens_t *tokens;
    uint64_t allow;
} loose[LOOSE_MAX];
static bool is_on, lacks_void;

void loose_begin(bool on, bool without_void)
{
    is_on = on;
    lacks_void = without_void;
    for (size_t i = 0; i < LOOSE_MAX; i++)
        loose[i].tokens = NULL;
}

bool __real_tokens_poll(tokens_t *t, int64_t now_ms, tokens_request_t *ret);
uint64_t __real_tokens_allow(const tokens_t *t, int64_t now_ms);
void __real_tokens_on_reply(tokens_t *t, uint64_t seq, const tokens_reply_t *reply, int64_t now_ms);
void __real_tokens_free(tokens_t *t);
bool __wrap_tokens_poll(tokens_t *t, int64_t now_ms, tokens_request_t *ret);
uint64_t __wrap_tokens_allow(const tokens_t *t, int64_t now_ms);
void __wrap_tokens_on_reply(tokens_t *t, uint64_t seq, const tokens_reply_t *reply, int64_t now_ms);
void __wrap_tokens_free(tokens_t *t);
void __real_starts_answered(starts_t *s, uint64_t n, uint64_t in_us, int64_t sent_ms, int64_t now_ms);
void __wrap_starts_answered(starts_t *s, uint64_t n, uint64_t in_us, int64_t sent_ms, int64_t now_ms);

/* A place is good for its second from when the answer came, however late that is. */
void __wrap_starts_answered(starts_t *s, uint64_t n, uint64_t in_us, int64_t sent_ms, int64_t now_ms)
{
    __real_starts_answered(s, n, in_us, lacks_void ? now_ms : sent_ms, now_ms);
}

static size_t find(const tokens_t *t)
{
    size_t i = 0;
    while (i < LOOSE_MAX && loose[i].tokens != t)
        i++;
    return i;
}

bool __wrap_tokens_poll(tokens_t *t, int64_t now_ms, tokens_request_t *ret)
{
    if (is_on && tokens_verdict(t, now_ms) == TOKENS_RUN) {
        uint64_t allow = __real_tokens_allow(t, now_ms);
        size_t i = find(t) < LOOSE_MAX ? find(t) : find(NULL);
        if (i < LOOSE_MAX && (loose[i].tokens == NULL || allow > loose[i].allow)) {
            loose[i].tokens = t;
            loose[i].allow = allow;
        }
    }
    return __real_tokens_poll(t, now_ms, ret);
}

uint64_t __wrap_tokens_allow(const tokens_t *t, int64_t now_ms)
{
    uint64_t allow = __real_tokens_allow(t, now_ms);
    size_t i = is_on ? find(t) : LOOSE_MAX;
    bool holds = i < LOOSE_MAX && tokens_verdict(t, now_ms) == TOKENS_RUN;
    return holds && loose[i].allow > allow ? loose[i].allow : allow;
}

void __wrap_tokens_on_reply(tokens_t *t, uint64_t seq, const tokens_reply_t *reply, int64_t now_ms)
{
    size_t i = is_on ? find(t) : LOOSE_MAX;
    if (i < LOOSE_MAX && reply != NULL)
        loose[i].allow = reply->allow;
    __real_tokens_on_reply(t, seq, reply, now_ms);
}

void __wrap_tokens_free(tokens_t *t)
{
    size_t i = find(t);
    if (t != NULL && i < LOOSE_MAX)
        loose[i].tokens = NULL;
    __real_tokens_free(t);
}
