/* A task host runs attempt after attempt and its output comes through one pipe. When an attempt has written something
 * that is still in the pipe as the next one begins, the host puts a marker in between, so that each line gets the right
 * label. */
#ifndef SLOTS_SHARED_MARKER_H
#define SLOTS_SHARED_MARKER_H

/* MARKER_BEGIN ENDED MARKER_MIDDLE BEGINS "\n", written in one piece; labels are job/index/attempt. */
#define MARKER_BEGIN  "\x1e\x02"
#define MARKER_MIDDLE '\x1f'

enum { MARKER_BEGIN_LEN = 2, MARKER_MAX = 300 };

#endif
