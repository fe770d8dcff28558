/* What the manual pages say in prose; the rest of them comes from the tables. */
#include "cli/manual.h"

#include <string.h>

static const struct {
    const char *command, *text;
} descriptions[] = {
    {"", "fanmap is map() over a fleet: one task, many inputs, results in input order, exceptions in their places. "
         "A producer publishes one Kafka message per item; competing workers run the items, at most N at once over the "
         "whole "
         "fleet, under a token kept in Redis; outcomes are gathered into the list, which streams as it grows.\n\n"
         "stdout is data and nothing else. Each command has a page of its own: fanmap-map(1) and so on."},
    {"map", "Reads items, one a line (-i FILE, else stdin) or from the values behind :::, runs TASK once for each on "
            "the fleet, and "
            "prints the outcomes in input order, each as soon as those before it are known. Items are read lazily; "
            "endless input "
            "works.\n\n"
            "With --local nothing but this machine is used: no Kafka, no Redis. Then -- CMD ARG... runs a command for "
            "each item, "
            "which gets the item on stdin, or in the place of {} in its arguments.\n\n"
            "A failed item leaves an error in its place: {\"$error\":{\"kind\":...,\"message\":...,\"attempts\":...}}. "
            "With the "
            "formats lines and nul errors go to stderr and the line stays empty.\n\n"
            "A map on the fleet that has stood still for some seconds says on stderr why, and when it goes on.\n\n"
            "Ctrl-C cancels the job; where --job-id was given, the first one leaves it running and says how to go on."},
    {"submit", "As fanmap-map(1), but publishes the items, prints the id of the job and leaves. fanmap-gather(1) "
               "prints the outcomes, as "
               "often as you like."},
    {"gather",
     "Prints the outcomes of JOB in input order, as fanmap-map(1) would, and waits for those that are not there yet. "
     "The list "
     "is the same each time, for as long as Kafka keeps the job's log whole; when it does not, gather refuses.\n\n"
     "Of a stream it prints the outcomes that are in the stream's log, and with --follow those that come. What fanmap "
     "stream has handed out stays there for --keep."},
    {"worker",
     "Serves tasks: takes items of these from its queue and runs each in a slot, a process of its own. Workers "
     "of one queue may serve different tasks. A worker runs "
     "only what is "
     "named here; no message can name a file or a command.\n\n"
     "TERM lets running attempts finish within --drain, then hands back the rest. A worker that is killed "
     "loses nothing: its "
     "items run elsewhere. INT is as TERM, and the third of them ends the worker without waiting."},
    {"aggregator",
     "A service that writes DIR/JOB.jsonl for every job of the namespace that ends: the lines of fanmap-gather(1). A "
     "file is "
     "written beside its final path and renamed when it is on the disk, so that what has the final name is whole.\n\n"
     "Several instances of one --group share the jobs and should share DIR. A disk that is full or read-only is said "
     "and "
     "tried again. TERM ends the files under way within --drain."},
    {"cancel", "Drops what is queued of JOB and kills what runs. Returns when that is stored; nothing stored later "
               "changes the list. Items "
               "without an outcome are listed as cancelled."},
    {"pause", "Lets running attempts of JOB finish and starts nothing more until fanmap-resume(1). Deadlines go on."},
    {"set", "Changes the limit of a running job. A lower one kills nothing: it holds once enough attempts have ended. "
            "0 is no limit."},
    {"resume", "Goes on with a job that fanmap-pause(1) has held."},
    {"jobs", "Lists every job that the namespace knows, oldest first: those that run and, for as long as Kafka keeps "
             "them, those that have "
             "ended. --json prints one object a line."},
    {"show", "Shows one job: its policy, counts by state and kind, how fast it goes, who works on it, its oldest "
             "running items, and why it "
             "waits if it does."},
    {"topics", "Lists every topic of the namespace with its settings, and says what is wrong with them. --create makes "
               "what is missing, with the topic of each --task; "
               "--clean deletes what nobody can need any more: items of forgotten jobs, and topics of tasks that no "
               "worker serves and no known job is of; "
               "--print-acls prints the rights that each role needs, as commands for Kafka and Redis, and with "
               "--stream those for one stream."},
    {"health",
     "Asks a service how it is. http://HOST:PORT, the port of its --metrics: /readyz there, or the path that is named "
     "behind it, within 4 s; what it answers is printed. 0: it is ready, though perhaps degraded. 5: it is not ready "
     "yet, drains, or does not answer. A file, the one that a worker or an aggregator keeps with --heartbeat: 0: it is "
     "ready, or stopping; the word is printed. 5: it is "
     "not ready yet, has not turned its loop for 10 s, or there is none. Made for the health checks of containers."},
    {"logs",
     "Prints what the attempts of JOB wrote, or those of its item INDEX, as INDEX/ATTEMPT: line. Kafka keeps it for a "
     "day. --failed leaves out what did not fail, --follow goes on until the job has ended."},
    {"workers", "Lists the workers that are alive: the tasks they serve, their slots and what runs on them."},
    {"dead", "Records that nobody could use are set aside as they were, on the dead-letter topic. list and show look "
             "at them; replay puts "
             "one of them, or --all, back where it stood."},
    {"check-task", "Starts CMD as a worker would start a served task, drives it through the slot protocol (hello, "
                   "items, errors, cancel, "
                   "bad frames, shutdown), and says what it does wrong."},
    {"completion", "Prints a completion script for bash, zsh or fish, made from the same table as --help.\n\n"
                   "  fanmap completion bash > ~/.local/share/bash-completion/completions/fanmap\n"
                   "  fanmap completion zsh > \"${fpath[1]}/_fanmap\"\n"
                   "  fanmap completion fish > ~/.config/fish/completions/fanmap.fish"},
    {"man", "Prints a manual page as roff, made from the same table as --help: of COMMAND, or of fanmap itself.\n\n"
            "  fanmap man worker | man -l -"},
};

const manual_section_t manual_sections[] = {
    {"EXIT STATUS",
     "0: every item succeeded.\n\n1: some items failed; everything was printed.\n\n2: usage or configuration.\n\n"
     "3: stopped by fail-fast, halt, deadline or cancel.\n\n4: refused: authentication or authorisation.\n\n"
     "5: Kafka or Redis could not be reached or was lost for good; trying again may help.\n\n"
     "6: the input could not be read, or the output not written (a closed stdout pipe cancels the job and ends by "
     "SIGPIPE).\n\n130, 143: interrupted, terminated; says how to go on."},
    {"FILES", "~/.config/fanmap.conf: options, one KEY=VALUE a line, the keys being long option names; --config names "
              "another file. A flag "
              "wins over the environment, that over the file, that over the default."},
    {NULL, NULL},
};

const char *manual_description(const char *command)
{
    for (size_t i = 0; i < sizeof descriptions / sizeof descriptions[0]; i++)
        if (strcmp(descriptions[i].command, command) == 0)
            return descriptions[i].text;
    return NULL;
}
