#include <string.h>

#include "fuzz.h"
#include "schemas/jobs.h"

/* The bytes as the value of every field, and as a key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"j1/spec", "Nightly.2024-01-01_a/spec", "j1/concurrency", "j1/paused", "j1/end"};
    jobs_record_t record;
    char key[JOB_ID_MAX + 16];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (jobs_decode(keys[i], strlen(keys[i]), data, size, &record)) {
            MUST(jobs_key(key, sizeof key, record.job, record.field) < sizeof key);
            MUST(strcmp(key, keys[i]) == 0);
        }
    }
    if (jobs_decode(data, size, NULL, 0, &record))
        MUST(record.tombstone && job_id_valid(record.job));
    return 0;
}
