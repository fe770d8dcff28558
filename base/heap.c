/* A binary heap of pointers in which every node knows its place, so that it can be moved and removed from the middle.
 */
#include "base/heap.h"

#include <stdlib.h>

#include "base/array.h"

static bool comes_before(const heap_node_t *a, const heap_node_t *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void place_node(heap_t *heap, size_t i, heap_node_t *node)
{
    heap->nodes[i] = node;
    node->place = i + 1;
}

static void sift_up(heap_t *heap, size_t i, heap_node_t *node)
{
    while (i > 0 && comes_before(node, heap->nodes[(i - 1) / 2])) {
        place_node(heap, i, heap->nodes[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place_node(heap, i, node);
}

static void sift_down(heap_t *heap, size_t i, heap_node_t *node)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->n)
            break;
        if (child + 1 < heap->n && comes_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!comes_before(heap->nodes[child], node))
            break;
        place_node(heap, i, heap->nodes[child]);
        i = child;
    }
    place_node(heap, i, node);
}

static void sift(heap_t *heap, size_t i, heap_node_t *node)
{
    if (i > 0 && comes_before(node, heap->nodes[(i - 1) / 2]))
        sift_up(heap, i, node);
    else
        sift_down(heap, i, node);
}

bool heap_put(heap_t *heap, heap_node_t *node, int64_t key)
{
    bool is_new = node->place == 0;
    if (is_new && !array_has_room(heap->nodes, heap->n, heap->cap, 16))
        return false;
    size_t i = is_new ? heap->n++ : node->place - 1;
    node->key = key;
    node->order = heap->order++;
    sift(heap, i, node);
    return true;
}

heap_node_t *heap_min(const heap_t *heap)
{
    return heap->n > 0 ? heap->nodes[0] : NULL;
}

heap_node_t *heap_pop(heap_t *heap)
{
    heap_node_t *node = heap_min(heap);
    if (node)
        heap_remove(heap, node);
    return node;
}

void heap_remove(heap_t *heap, heap_node_t *node)
{
    if (node->place == 0)
        return;
    size_t i = node->place - 1;
    node->place = 0;
    heap_node_t *last = heap->nodes[--heap->n];
    if (last != node)
        sift(heap, i, last);
}

void heap_free(heap_t *heap)
{
    for (size_t i = 0; i < heap->n; i++)
        heap->nodes[i]->place = 0;
    free(heap->nodes);
    *heap = (heap_t){0};
}
