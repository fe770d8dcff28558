/* The program: sound standard descriptors first, then the command, and an end that says whether stdout arrived. */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* A standard descriptor that is closed would be given to the next file opened. */
static void fill_standard(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(EXIT_IO);
}

/* What was printed arrived, or stdout is at fault. */
static int finish_stdout(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return fail_with(EXIT_IO, "stdout could not be written");
}

/* Not by exit: closing is bounded, so a thread of librdkafka may still let go of a broker, and exit would take OpenSSL
 * apart under it. Under AddressSanitizer exit looks for leaks, which is wanted. */
static int exit_without_handlers(int status)
{
    status = finish_stdout(status);
#if !defined(__SANITIZE_ADDRESS__)
    (void)fflush(stderr);
    _exit(status);
#endif
    return status;
}

int main(int argc, char **argv)
{
    arguments_t arguments;
    fill_standard();
    mallopt(M_ARENA_MAX, 2); /* librdkafka has many threads, and each arena keeps what it once held */
    if (argc < 2)
        return fail_with(EXIT_USAGE, "which command? see fanmap --help");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        int status = argc > 2 ? print_topic(argv[2]) : EXIT_ALL_WELL;
        if (argc == 2)
            print_overview();
        return finish_stdout(status);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("fanmap %s\n", fanmap_version());
        return finish_stdout(EXIT_ALL_WELL);
    }
    const command_t *command = command_find(argv[1]);
    if (!command)
        return fail_with(EXIT_USAGE, "there is no command \"%s\"; see fanmap --help", argv[1]);
    int status = parse(command, argc - 2, argv + 2, &arguments);
    if (status == EXIT_ALL_WELL && is_switch_set(&arguments, "help"))
        print_help(command, arguments.positionals_n > 0 && strcmp(arguments.positionals[0], "all") == 0);
    else if (status == EXIT_ALL_WELL)
        status = command->run(&arguments);
    fanmap_options_free(arguments.options);
    return exit_without_handlers(status);
}
