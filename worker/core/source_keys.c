/* By key: the first item of a key has its turn, the others wait for it in the order of their offsets. */
#include <stdlib.h>

#include "worker/core/state.h"

struct source_key {
    uint8_t hash[PLACE_KEY_BYTES];
    worker_item_t *holder;
    item_list_t waiting; /* RECEIVED, in the order of their offsets */
    UT_hash_handle hh;
};

void source_free(source_t *source)
{
    source_key_t *key, *next;
    if (source == NULL)
        return;
    HASH_ITER(hh, source->keys, key, next)
    {
        HASH_DEL(source->keys, key);
        free(key);
    }
    free(source->window);
    free(source);
}

source_key_t *source_key(worker_t *w, source_t *source, const uint8_t *hash)
{
    source_key_t *key = NULL;
    HASH_FIND(hh, source->keys, hash, PLACE_KEY_BYTES, key);
    if (key != NULL)
        return key;
    key = calloc(1, sizeof *key);
    if (key != NULL) {
        memcpy(key->hash, hash, PLACE_KEY_BYTES);
        HASH_ADD(hh, source->keys, hash, PLACE_KEY_BYTES, key);
    }
    if (key == NULL || !table_added(key)) {
        free(key);
        w->failed = true;
        return NULL;
    }
    return key;
}

void source_key_hash(const source_key_t *key, uint8_t *ret)
{
    memcpy(ret, key->hash, PLACE_KEY_BYTES);
}

bool source_waits_for_key(worker_item_t *item)
{
    source_key_t *key = item->key;
    if (key == NULL || key->holder == item)
        return false;
    if (key->holder == NULL) {
        key->holder = item;
        return false;
    }
    item_list_append(&key->waiting, item);
    return true;
}

/* The next one is filed at the end of the step: whoever calls may be going over items. */
void source_leave_key(worker_t *w, worker_item_t *item)
{
    source_key_t *key = item->key;
    item->key = NULL;
    if (key == NULL || key->holder != item)
        return;
    worker_item_t *next = key->holder = key->waiting.head;
    if (next != NULL) {
        item_unlink(next);
        item_list_append(&w->keys_due, next);
        return;
    }
    HASH_DEL(item->part->source->keys, key);
    free(key);
}
