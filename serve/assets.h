/* Files that the build puts into the program (cmake/EmbedFiles.cmake, serve/CMakeLists.txt), by their names. */
#ifndef SERVE_ASSETS_H
#define SERVE_ASSETS_H

#include <stddef.h>

typedef struct {
    const char *name;
    const unsigned char *bytes;
    size_t len;
} asset_t;

extern const asset_t assets[];
extern const size_t assets_n;

#endif
