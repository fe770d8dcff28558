/* Two maps at once on a loop that is not fanmap's: poll() over stdin and the library's one descriptor, outcomes by
 * callback.
 *
 *   seq 1000 | ./two_maps_poll square sqrt
 *
 * Every line goes to both maps; what comes back is printed with the name of its task. While one of the maps takes no
 * more, stdin is not polled: back-pressure reaches whoever writes it.
 */
#include <fanmap/fanmap.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAPS = 2, LINE_MAX_BYTES = 4096 };

typedef struct {
    const char *task;
    fanmap_job_t *job;
    bool has_line, has_ended; /* the line at the front was taken; the list is whole */
    int result;
} map_t;

typedef struct {
    map_t maps[MAPS];
    char bytes[LINE_MAX_BYTES];
    size_t len;
    bool is_at_end;
} state_t;

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    map_t *map = arg;
    const char *line;
    size_t len;
    if (fanmap_outcome_json(job, outcome, false, &line, &len, NULL) == FANMAP_OK)
        printf("%s %.*s\n", map->task, (int)len, line);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    map_t *map = arg;
    if (err)
        fprintf(stderr, "two_maps_poll: %s: %s\n", map->task, err->message);
    map->has_ended = true;
    map->result = result;
    fanmap_job_close(job, false); /* legal in here */
}

/* Gives the lines that were read to both maps. False: one of them took no more; the writable event brings us back. */
static bool push_lines(state_t *s)
{
    char *end;
    while ((end = memchr(s->bytes, '\n', s->len)) != NULL) {
        bool all = true;
        for (map_t *map = s->maps; map < s->maps + MAPS; map++) {
            if (!map->has_line && !map->has_ended)
                map->has_line =
                    fanmap_push(map->job, FANMAP_JSON, s->bytes, (size_t)(end - s->bytes), NULL) == FANMAP_OK;
            all &= map->has_line || map->has_ended;
        }
        if (!all)
            return false;
        s->len -= (size_t)(end + 1 - s->bytes);
        memmove(s->bytes, end + 1, s->len);
        for (map_t *map = s->maps; map < s->maps + MAPS; map++)
            map->has_line = false;
    }
    return true;
}

static void read_more(state_t *s)
{
    ssize_t n = read(STDIN_FILENO, s->bytes + s->len, sizeof s->bytes - s->len);
    s->len += n > 0 ? (size_t)n : 0;
    s->is_at_end = n <= 0 || (s->len == sizeof s->bytes && !memchr(s->bytes, '\n', s->len));
}

static void end_input(state_t *s)
{
    for (map_t *map = s->maps; map < s->maps + MAPS; map++)
        if (!map->has_ended)
            (void)fanmap_end_input(map->job, s->len ? "a line that is too long or not ended" : NULL, NULL);
}

static int run(fanmap_t *f, state_t *s, fanmap_error_t *err)
{
    struct pollfd fds[] = {{fanmap_fd(f), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    int r = FANMAP_OK;
    while (r >= 0 && !(s->maps[0].has_ended && s->maps[1].has_ended)) {
        bool is_open = push_lines(s);
        if (is_open && s->is_at_end)
            end_input(s);
        fds[1].fd = is_open && !s->is_at_end ? STDIN_FILENO : -1;
        poll(fds, 2, r == FANMAP_AGAIN ? 0 : -1);
        if (fds[1].revents)
            read_more(s);
        r = fanmap_dispatch(f, 100, err); /* AGAIN: more callbacks are due */
    }
    return r;
}

int main(int argc, char **argv)
{
    state_t s = {.maps = {{.task = argc > 1 ? argv[1] : "square"}, {.task = argc > 2 ? argv[2] : "sqrt"}}};
    fanmap_error_t err = {.message = "out of memory"};
    fanmap_options_t *options = NULL;
    fanmap_t *f = NULL;
    int r = fanmap_options_new(&options);
    if (r == FANMAP_OK)
        r = fanmap_options_load(options, NULL, &err);
    if (r == FANMAP_OK)
        r = fanmap_options_set(options, "value-format", "json", &err);
    if (r == FANMAP_OK)
        r = fanmap_open(options, NULL, NULL, &f, &err);
    for (map_t *map = s.maps; r == FANMAP_OK && map < s.maps + MAPS; map++) {
        r = fanmap_map(f, map->task, options, &map->job, &err);
        if (r == FANMAP_OK)
            fanmap_on(map->job, on_outcome, on_end, NULL, map);
    }
    if (r == FANMAP_OK)
        r = run(f, &s, &err);
    if (r < 0)
        fprintf(stderr, "two_maps_poll: %s\n", err.message);
    fanmap_close(f);
    fanmap_options_free(options);
    return r >= 0 && s.maps[0].result == FANMAP_END && s.maps[1].result == FANMAP_END ? EXIT_SUCCESS : EXIT_FAILURE;
}
