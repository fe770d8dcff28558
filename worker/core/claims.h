/* What stays with whom after a partition changed hands, and what commits say runs here. */
#ifndef WORKER_CORE_CLAIMS_H
#define WORKER_CORE_CLAIMS_H

#include "worker/core/part.h"

/* claim.c: one claim. */
const claim_t *claim_find(const worker_part_t *part, int64_t offset);
/* Sets or takes away our claim. */
void claim_set(worker_t *w, worker_item_t *item, bool on);
/* True: it ran here under a member id that is given up. */
/* A note under our present member id says that we gave it up. Whoever reads that would drop a later claim of ours as well. */
bool claim_was_released(const worker_part_t *part, int64_t offset);
/* Forgets those that are finished. */
void claims_prune_released(worker_part_t *part);
bool claim_is_lost(const worker_t *w, const worker_item_t *item);
/* The word about an item that was claimed or lost by us: it is done, or given up. */
void claim_report(worker_t *w, worker_item_t *item, bool is_done);

/* claims.c: all of them, and how they end. */
void claims_found(worker_t *w, worker_part_t *part, const commit_meta_t *meta);
void claims_forget(worker_t *w, worker_part_t *part);
void claims_prune(worker_t *w, worker_part_t *part); /* of what is finished */
void claims_note(worker_t *w, worker_part_t *part, const item_t *note);
void claims_heard(worker_t *w, const worker_event_t *event);
void claims_members(worker_t *w, const worker_event_t *event);
void claims_turn(worker_t *w);
int64_t claims_next_ms(const worker_t *w);
/* The next question counts only if it is asked from now on. */
void claims_void_answers(worker_t *w);

/* committed_names.c: what commits of this ownership say runs here. */
void committed_names_add(worker_t *w, worker_part_t *part, int64_t offset, uint64_t number);
/* Forgets what is finished, and what no commit from `number` on says. */
void committed_names_prune(worker_part_t *part, uint64_t number);
/* The item is dropped: the word about it needs its counts. */
void committed_names_note_counts(worker_part_t *part, const worker_item_t *item);
/* We are lost: what is in hand no more is released; of what is, a word is due when it ends. */
void committed_names_release(worker_t *w, worker_part_t *part);

#endif
