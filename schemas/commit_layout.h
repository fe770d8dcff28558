/* The metadata of a commit in msgpack, to which base64 then applies. Inside schemas only.
 *
 *   [1, clean, mark, members, names, counts, done, horizon, log, witness, witness_ms]
 *
 * Everything is counted from the committed prefix, so that most numbers take one or two bytes.
 *
 *   mark     nil, or mark - prefix
 *   members  [text...]
 *   names    [offset step, member, ...]              a step is from the offset before, the first from the prefix
 *   counts   [offset step, attempts, charges, ...]
 *   done     [gap, length, ...]                      a gap is from the end of the range before, the first from the prefix
 *   horizon  horizon - prefix, or nil
 *   log      the number of the log; it and what follows may be missing */
#ifndef SCHEMAS_COMMIT_LAYOUT_H
#define SCHEMAS_COMMIT_LAYOUT_H

#include "schemas/commit.h"

enum {
    FIELDS = 7,     /* and the horizon, which may be missing, */
    LOG_FIELDS = 3, /* and what tells this log from another */
    RAW_MAX = COMMIT_BYTES_MAX / 4 * 3,
    ARRAY_HEAD_MAX = 3, /* of an array of fewer than 65536 */
    NAME_NUMBERS = 2,
    COUNT_NUMBERS = 3,
    RANGE_NUMBERS = 2
};

#endif
