#include "schemas/names.h"

#include <stdio.h>

char *name_items(char *ret, const char *name_space, const char *queue)
{
    snprintf(ret, TOPIC_NAME_MAX, "%s.items.%s", name_space, queue);
    return ret;
}

char *name_results(char *ret, const char *name_space)
{
    snprintf(ret, TOPIC_NAME_MAX, "%s.results", name_space);
    return ret;
}

char *name_jobs(char *ret, const char *name_space)
{
    snprintf(ret, TOPIC_NAME_MAX, "%s.jobs", name_space);
    return ret;
}

char *name_dead(char *ret, const char *name_space)
{
    snprintf(ret, TOPIC_NAME_MAX, "%s.dead", name_space);
    return ret;
}

char *name_group(char *ret, const char *name_space, const char *queue)
{
    snprintf(ret, TOPIC_NAME_MAX, "%s.workers.%s", name_space, queue);
    return ret;
}

char *name_aggregator_group(char *ret, const char *name_space, const char *group)
{
    snprintf(ret, TOPIC_NAME_MAX, "%s.aggregator.%s", name_space, group);
    return ret;
}
