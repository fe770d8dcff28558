/* One outcome as one record that others read: of a stream, whose spec says where to, or of a job. */
#ifndef CLIENT_GATHERING_PLAIN_RECORD_H
#define CLIENT_GATHERING_PLAIN_RECORD_H

#include "io/bus_writer.h"
#include "schemas/spec.h"
#include "schemas/streamlog.h"

typedef struct {
    const spec_t *spec;                      /* topics, format, terms; stream: STREAM_NOT where it is of a job */
    const char *group;                       /* that read the source; of a job NULL */
    uint32_t to_bytes_max, errors_bytes_max; /* what these topics take at most; 0: not known */
    uint64_t errors;
    bool has_put;             /* something is in a transaction; whoever ends that clears it */
    buf_t value, text, names; /* names: of headers, each with a NUL behind it */
    fanmap_error_t why;       /* the message of a value that could not be written */
} plain_out_t;

/* Puts the record that stands for the outcome into the transaction, or none where none is asked for. What cannot be written as a
 * value becomes an error, in the outcome too, which then borrows from `out`. FANMAP_EUSAGE: its topic takes it in no form. */
int plain_put(plain_out_t *out, bus_writer_t *writer, uint32_t lane, stream_outcome_t *outcome, fanmap_error_t *err);
/* FANMAP_EUSAGE: one of them is a topic of fanmap's own, where nothing else is written. "" or NULL: there is none. */
int plain_check_topics(const char *name_space, const char *to, const char *errors_to, fanmap_error_t *err);
/* What both topics take. 0: not known. */
uint32_t plain_batch_bytes(const plain_out_t *out);
stream_format_t plain_format_of(const char *word);
const char *plain_format_word(stream_format_t format);
void plain_free(plain_out_t *out);

#endif
