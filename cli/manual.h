/* Manual pages: the prose that no table has. */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

typedef struct {
    const char *title;
    const char *text; /* paragraphs, apart by an empty line; a line that begins with two blanks is shown as it is */
} manual_section_t;

/* What `fanmap COMMAND` does, in paragraphs; NULL: its summary says it all. "" is fanmap itself. */
const char *manual_description(const char *command);
/* EXIT STATUS and what else every page ends with; the last one has no title. */
extern const manual_section_t manual_sections[];

#endif
