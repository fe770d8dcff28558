#include "worker/core/item.h"

#include <stdlib.h>

#include "base/prefetch.h"

enum { BLOCK_ITEMS = 256 };

struct item_block {
    item_block_t *next;
    worker_item_t items[BLOCK_ITEMS];
};

void item_list_insert(item_list_t *list, worker_item_t *item, worker_item_t *next)
{
    worker_item_t *prev = next != NULL ? next->prev : list->tail;
    item->list = list;
    item->prev = prev;
    item->next = next;
    *(prev != NULL ? &prev->next : &list->head) = item;
    *(next != NULL ? &next->prev : &list->tail) = item;
    list->n++;
    if (list->sum != NULL)
        ++*list->sum;
}

void item_list_append(item_list_t *list, worker_item_t *item)
{
    item_list_insert(list, item, NULL);
}

void item_unlink(worker_item_t *item)
{
    item_list_t *list = item->list;
    if (list == NULL)
        return;
    item->list = NULL;
    if (item->prev != NULL)
        item->prev->next = item->next;
    else
        list->head = item->next;
    if (item->next != NULL)
        item->next->prev = item->prev;
    else
        list->tail = item->prev;
    item->prev = item->next = NULL;
    list->n--;
    if (list->sum != NULL)
        --*list->sum;
}

static bool add_block(item_pool_t *pool)
{
    item_block_t *block = malloc(sizeof *block);
    if (block == NULL)
        return false;
    block->next = pool->blocks;
    pool->blocks = block;
    for (size_t i = BLOCK_ITEMS; i-- > 0;) {
        block->items[i].next = pool->free;
        pool->free = &block->items[i];
    }
    return true;
}

worker_item_t *item_new(item_pool_t *pool)
{
    if (pool->free == NULL && !add_block(pool))
        return NULL;
    worker_item_t *item = pool->free;
    pool->free = item->next;
    pool->in_use++;
    prefetch(pool->free, sizeof *item);
    *item = (worker_item_t){0};
    return item;
}

void item_free(item_pool_t *pool, worker_item_t *item)
{
    item->next = pool->free;
    pool->free = item;
    pool->in_use--;
}

void item_pool_free(item_pool_t *pool)
{
    while (pool->blocks != NULL) {
        item_block_t *block = pool->blocks;
        pool->blocks = block->next;
        free(block);
    }
    *pool = (item_pool_t){0};
}
