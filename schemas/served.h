/* The slot protocol as a served program speaks it (docs/tasks.md), in either of its two encodings: frames of
 * slotwire.h, or one JSON object a line. A program is not trusted: nothing is believed before it was checked here, and
 * nothing is allocated by a number of its own.
 *
 * JSON lines are put into the order of the msgpack fields first, so that one reader judges both.
 */
#ifndef SCHEMAS_SERVED_H
#define SCHEMAS_SERVED_H

#include "schemas/slotwire.h"

/* The bytes of the pipe of permits: the next run that was told may begin, or is passed over. */
enum { SERVED_GO = 'g', SERVED_UNDONE = 'u' };
enum { SERVED_VERSION = 1, SERVED_HELLO_MAX = 64 * 1024, SERVED_WHY_MAX = 300 };

typedef enum { SERVED_UNKNOWN, SERVED_MSGPACK, SERVED_JSON } served_encoding_t;

/* One thing that a program said; borrowed from the bytes or from the reader. */
typedef struct {
    slot_frame_type_t type; /* SLOT_HELLO, SLOT_READY or SLOT_DONE */
    uint32_t version;       /* hello */
    const uint8_t *tasks;   /* hello: a msgpack array of names */
    size_t tasks_len;
    const uint8_t *calls; /* hello: of these, those that take several items at once; NULL: none */
    size_t calls_len;
    uint32_t ahead;                 /* hello: how many runs it may be told before they begin; 0: none */
    uint32_t n;                     /* done, and all that follows */
    bool is_error, final, is_whole; /* is_whole: the error of all runs of a call */
    const uint8_t *value;           /* one msgpack object, when it is no error */
    size_t value_len;
    const char *error_type, *message, *report; /* report: for people, goes with the error behind what was on stderr */
    size_t error_type_len, message_len, report_len;
} served_message_t;

/* The reading end of one program. Zeroed is ready; the first message decides the encoding. */
typedef struct {
    served_encoding_t encoding;
    size_t scanned;           /* of an unfinished line: no newline up to here */
    buf_t fields, object;     /* a JSON line as a message, and as it is */
    char why[SERVED_WHY_MAX]; /* after -1: what is wrong, for people */
} served_reader_t;

/* The message at the start of `bytes`: 1 and its whole length, 0 when more bytes are needed, -1 when it is bad or
 * longer than `frame_max`. */
int served_decode(served_reader_t *r, const void *bytes, size_t len, size_t frame_max, served_message_t *ret,
                  size_t *ret_used);
void served_reader_free(served_reader_t *r);
/* The longest frame that is still read: a value within the limit always fits, one somewhat over it too, so that it can
 * be told from a frame without end. */
size_t served_frame_max(served_encoding_t encoding, size_t value_bytes_max);
/* Whether a hello's tasks name this one. */
bool served_has_task(const uint8_t *tasks, size_t tasks_len, const char *name);

/* What a program is told. Returns false if JSON cannot hold the item (or the bound arguments), and nothing was
 * appended. */
bool served_put_job(buf_t *b, served_encoding_t encoding, const slot_job_t *job);
bool served_put_run(buf_t *b, served_encoding_t encoding, const slot_run_t *run, uint32_t job_id);
/* Several runs in one message. Zeroed is ready; the first run opens it, and nothing else is put into `b` until its end. */
typedef struct {
    size_t start; /* of the message */
    uint32_t n;   /* runs in it; 0: it is not open */
} served_batch_t;
bool served_batch_add(served_batch_t *batch, buf_t *b, served_encoding_t encoding, const slot_run_t *run);
/* Nothing happens when none is open. is_call: they go together. */
void served_batch_end(served_batch_t *batch, buf_t *b, served_encoding_t encoding, bool is_call);
void served_put_cancel(buf_t *b, served_encoding_t encoding, uint32_t n);
void served_put_bye(buf_t *b, served_encoding_t encoding);

#endif
