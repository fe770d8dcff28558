#include "tests/lib/token_table/keyspace.h"

#include <stdlib.h>
#include <string.h>

/* Room for one more element of `size` bytes. */
static bool grow(void **array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap == 0 ? 8 : *cap * 2;
    void *p = reallocarray(*array, more, size);
    if (p == NULL)
        return false;
    *array = p;
    *cap = more;
    return true;
}

static void hash_free(keyspace_hash_t *h)
{
    for (size_t i = 0; i < h->n; i++) {
        free(h->fields[i].name);
        free(h->fields[i].value);
    }
    free(h->fields);
    free(h->name);
}

static keyspace_hash_t *find(keyspace_t *k, const char *name)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->hashes[i].name, name) == 0)
            return &k->hashes[i];
    return NULL;
}

static void remove_hash(keyspace_t *k, keyspace_hash_t *h)
{
    hash_free(h);
    *h = k->hashes[--k->n];
}

keyspace_hash_t *keyspace_get(keyspace_t *k, const char *name, int64_t now_ms)
{
    keyspace_hash_t *h = find(k, name);
    if (h != NULL && h->expire_ms <= now_ms) {
        remove_hash(k, h);
        return NULL;
    }
    return h;
}

keyspace_hash_t *keyspace_make(keyspace_t *k, const char *name, int64_t now_ms)
{
    keyspace_hash_t *h = keyspace_get(k, name, now_ms);
    if (h != NULL)
        return h;
    void *array = k->hashes;
    if (!grow(&array, k->n, &k->cap, sizeof *k->hashes))
        return NULL;
    k->hashes = array;
    char *copy = strdup(name);
    if (copy == NULL)
        return NULL;
    k->hashes[k->n] = (keyspace_hash_t){.name = copy, .expire_ms = INT64_MAX};
    return &k->hashes[k->n++];
}

bool keyspace_del(keyspace_t *k, const char *name, int64_t now_ms)
{
    keyspace_hash_t *h = keyspace_get(k, name, now_ms);
    if (h == NULL)
        return false;
    remove_hash(k, h);
    return true;
}

void keyspace_clear(keyspace_t *k)
{
    for (size_t i = 0; i < k->n; i++)
        hash_free(&k->hashes[i]);
    free(k->hashes);
    *k = (keyspace_t){0};
}

bool keyspace_copy(const keyspace_t *from, keyspace_t *to)
{
    keyspace_t copy = {0};
    for (size_t i = 0; i < from->n; i++) {
        const keyspace_hash_t *h = &from->hashes[i];
        keyspace_hash_t *made = keyspace_make(&copy, h->name, INT64_MIN);
        bool ok = made != NULL;
        for (size_t j = 0; ok && j < h->n; j++)
            ok = keyspace_hset(made, h->fields[j].name, h->fields[j].value) >= 0;
        if (!ok) {
            keyspace_clear(&copy);
            return false;
        }
        made->expire_ms = h->expire_ms;
    }
    *to = copy;
    return true;
}

static keyspace_field_t *find_field(const keyspace_hash_t *h, const char *field)
{
    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->fields[i].name, field) == 0)
            return &h->fields[i];
    return NULL;
}

const char *keyspace_hget(const keyspace_hash_t *h, const char *field)
{
    const keyspace_field_t *f = find_field(h, field);
    return f != NULL ? f->value : NULL;
}

int keyspace_hset(keyspace_hash_t *h, const char *field, const char *value)
{
    keyspace_field_t *f = find_field(h, field);
    char *value_copy = strdup(value);
    if (value_copy == NULL)
        return -1;
    if (f != NULL) {
        free(f->value);
        f->value = value_copy;
        return 0;
    }
    void *array = h->fields;
    char *name_copy = strdup(field);
    if (name_copy == NULL || !grow(&array, h->n, &h->cap, sizeof *h->fields)) {
        free(name_copy);
        free(value_copy);
        return -1;
    }
    h->fields = array;
    h->fields[h->n++] = (keyspace_field_t){name_copy, value_copy};
    return 1;
}

bool keyspace_hdel(keyspace_hash_t *h, const char *field)
{
    keyspace_field_t *f = find_field(h, field);
    if (f == NULL)
        return false;
    free(f->name);
    free(f->value);
    *f = h->fields[--h->n];
    return true;
}
