/* Reads the items partitions of a job that has published before, each from where it may begin to its present end, a few
 * at a time. */
#ifndef CLIENT_MAPPING_ITEM_SCAN_H
#define CLIENT_MAPPING_ITEM_SCAN_H

#include "client/mapping/mapping.h"

enum { SCAN_BY_TIME = -1, SCAN_NOT_AT_ALL = -2 };

/* Of the job's own topic of items; called from inside the loop, none when the job has failed. */
typedef struct {
    /* The offset from which on the partition is read, SCAN_BY_TIME or SCAN_NOT_AT_ALL. */
    int64_t (*from)(void *arg, int32_t partition);
    /* False: enough of this partition. */
    bool (*record)(void *arg, int32_t partition, const bus_record_t *record);
    /* Kafka has deleted what lies before `low` (below 0: it cannot be read). True: it is read from there on; false: the
     * job was failed. */
    bool (*gone)(void *arg, int32_t partition, int64_t low);
    /* All of them are read. */
    void (*done)(void *arg);
} item_scan_callbacks_t;

/* Makes job->mapping->scan, in the place of one that is done. No record of the job is older than `since_ms`, which is
 * where SCAN_BY_TIME begins. An error fails the job. */
void item_scan_begin(fanmap_job_t *job, uint32_t partitions_n, int64_t since_ms, const item_scan_callbacks_t *callbacks,
                     void *arg);
void item_scan_free(item_scan_t *scan);

#endif
