/* Two topics for a raw loop, made before its processes start. */
#ifndef BENCH_RAW_TOPICS_H
#define BENCH_RAW_TOPICS_H

/* Ends the program where they cannot be made. Leaves no client behind: librdkafka does not survive the forks to come. */
void raw_create_topics(const char *brokers, const char *in, const char *out, int partitions);

#endif
