/* Files that the build puts into the program (cmake/EmbedFile.cmake). */
#ifndef SERVE_ASSETS_H
#define SERVE_ASSETS_H

#include <stddef.h>

extern const unsigned char asset_openapi_json[];
extern const size_t asset_openapi_json_len;

#endif
