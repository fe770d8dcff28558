/* A set-associative cache of pages. Neighbouring pages fall into neighbouring sets, so that any window of PAGES_N pages
 * fits whole; what is pushed out of its set goes to the file, if it still matters. */
#include "aggregator/pages.h"

#include <stdlib.h>

enum { PAGE_PLACES = 512, SETS = 128, WAYS = 4, PAGES_N = SETS * WAYS, PUNCH_PAGES = 256 };
#define PAGE_BYTES ((int64_t)(PAGE_PLACES * sizeof(place_t)))
#define NO_PAGE    UINT64_MAX

typedef struct {
    place_t *places; /* NULL: unused so far */
    uint64_t number;
    uint64_t used; /* the clock at the last use */
} page_t;

struct pages {
    page_t pages[PAGES_N];
    page_t *recent;
    uint64_t clock;
    uint64_t passed;  /* pages below it are forgotten */
    uint64_t punched; /* pages below it were given back to the disk */
    spill_t *spill;
};

pages_t *pages_new(spill_t *spill)
{
    pages_t *pages = calloc(1, sizeof *pages);
    if (pages)
        pages->spill = spill;
    return pages;
}

void pages_free(pages_t *pages)
{
    if (!pages)
        return;
    for (size_t i = 0; i < PAGES_N; i++)
        free(pages->pages[i].places);
    free(pages);
}

static page_t *oldest_of_set(page_t *set)
{
    page_t *oldest = set;
    for (page_t *page = set; page < set + WAYS; page++) {
        if (!page->places)
            return page;
        if (page->used < oldest->used)
            oldest = page;
    }
    return oldest;
}

static page_t *find_in_set(page_t *set, uint64_t number)
{
    for (page_t *page = set; page < set + WAYS; page++)
        if (page->places && page->number == number)
            return page;
    return NULL;
}

/* Makes `page` free for another number: what is in it and still matters goes to the file. */
static int vacate(pages_t *pages, page_t *page, fanmap_error_t *err)
{
    if (!page->places) {
        page->places = malloc((size_t)PAGE_BYTES);
        if (!page->places)
            return err_set(err, FANMAP_ENOMEM, "out of memory");
    } else if (page->number >= pages->passed && page->number != NO_PAGE) {
        int64_t offset = (int64_t)page->number * PAGE_BYTES;
        int code = spill_write(pages->spill, offset, page->places, (size_t)PAGE_BYTES, err);
        if (code)
            return code;
    }
    page->number = NO_PAGE;
    return FANMAP_OK;
}

static int load_page(pages_t *pages, page_t *page, uint64_t number, fanmap_error_t *err)
{
    int code = vacate(pages, page, err);
    if (!code)
        code = spill_read(pages->spill, (int64_t)number * PAGE_BYTES, page->places, (size_t)PAGE_BYTES, err);
    if (!code)
        page->number = number;
    return code;
}

static int get_page(pages_t *pages, uint64_t number, fanmap_error_t *err)
{
    page_t *set = &pages->pages[number % SETS * WAYS];
    page_t *page = find_in_set(set, number);
    if (!page) {
        pages->recent = NULL;
        page = oldest_of_set(set);
        int code = load_page(pages, page, number, err);
        if (code)
            return code;
    }
    page->used = ++pages->clock;
    pages->recent = page;
    return FANMAP_OK;
}

int pages_at(pages_t *pages, uint64_t index, place_t **ret, fanmap_error_t *err)
{
    uint64_t number = index / PAGE_PLACES;
    if (!pages->recent || pages->recent->number != number) {
        int code = get_page(pages, number, err);
        if (code)
            return code;
    }
    *ret = &pages->recent->places[index % PAGE_PLACES];
    return FANMAP_OK;
}

void pages_pass(pages_t *pages, uint64_t index)
{
    pages->passed = index / PAGE_PLACES;
    if (pages->passed - pages->punched < PUNCH_PAGES)
        return;
    spill_punch(pages->spill, (int64_t)pages->punched * PAGE_BYTES,
                (int64_t)(pages->passed - pages->punched) * PAGE_BYTES);
    pages->punched = pages->passed;
}
