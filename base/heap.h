/* A binary min-heap over nodes that live inside the caller's structs: timers, retries. Nodes of equal key leave in the
 * order in which they came, so that a run is the same each time. Removing from the middle costs O(log n). */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed while it is in no heap. The fields are the heap's; read key freely. */
typedef struct {
    int64_t key;
    uint64_t order;
    size_t place; /* index + 1; 0: in no heap */
} heap_node_t;

/* Zeroed is empty. Nodes are borrowed: a node must be removed before its struct is freed. */
typedef struct {
    heap_node_t **nodes;
    size_t n, cap;
    uint64_t order;
} heap_t;

/* The struct around a node: heap_of(node, task_timer_t, heap). */
#define heap_of(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* Puts the node in, or moves it when it already is in this heap. Returns false if memory ran out and nothing changed;
 * moving never fails. */
bool heap_put(heap_t *heap, heap_node_t *node, int64_t key);
/* The node of the smallest key, or NULL. It stays in. */
heap_node_t *heap_min(const heap_t *heap);
/* Takes the smallest out, or NULL. */
heap_node_t *heap_pop(heap_t *heap);
/* Takes the node out; nothing happens when it is in no heap. */
void heap_remove(heap_t *heap, heap_node_t *node);
static inline bool heap_has(const heap_node_t *node)
{
    return node->place != 0;
}
/* Takes every node out and frees the heap's memory. */
void heap_free(heap_t *heap);

#endif
