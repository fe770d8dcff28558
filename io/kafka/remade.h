/* Noticing that a topic was deleted and made anew. */
#ifndef IO_KAFKA_REMADE_H
#define IO_KAFKA_REMADE_H

/* The timer's function: asks where what is read ends, and comes again. */
void kafka_remade_look(void *bus);

#endif
