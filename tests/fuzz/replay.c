/* The main of a fuzz target in an ordinary build: every file of the folder named, whole, cut short at every length up
 * to 512, and with single bytes changed, each in a block of its exact size so that ASan sees a step beyond it. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_MAX = 1 << 20, CUTS_MAX = 512, CHANGES = 2000 };

static void feed(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size != 0 ? size : 1);
    if (exact == NULL)
        abort();
    if (size != 0)
        memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void feed_all(uint8_t *data, size_t size)
{
    feed(data, size);
    for (size_t cut = 0; cut < size && cut < CUTS_MAX; cut++)
        feed(data, cut);
    uint64_t chance = 88172645463325252u + size;
    for (int i = 0; i < CHANGES && size != 0; i++) {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        size_t at = (size_t)(chance >> 16) % size;
        uint8_t was = data[at];
        data[at] = (uint8_t)chance;
        feed(data, size);
        data[at] = was;
    }
}

static int replay(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(FILE_MAX);
    int ok = f != NULL && data != NULL;
    if (ok)
        feed_all(data, fread(data, 1, FILE_MAX, f));
    if (f != NULL)
        fclose(f);
    free(data);
    return ok;
}

int main(int argc, char **argv)
{
    int n = 0;
    DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
    for (const struct dirent *e; folder != NULL && (e = readdir(folder)) != NULL;)
        if (e->d_name[0] != '.') {
            int ok = replay(argv[1], e->d_name);
            printf("%s %d - %s\n", ok ? "ok" : "not ok", ++n, e->d_name);
        }
    if (folder != NULL)
        closedir(folder);
    if (n == 0) { /* nothing kept yet: at least the shapes that every parser meets */
        uint8_t bytes[64] = {0x93, 0xc4, 0xff, '{', '"', '['};
        feed_all(bytes, sizeof bytes);
        printf("ok 1 - without a corpus\n");
    }
    return 0;
}
