/* Files that the build puts into the program (cmake/EmbedFile.cmake). */
#ifndef SERVE_ASSETS_H
#define SERVE_ASSETS_H

#include <stddef.h>

extern const unsigned char asset_openapi_json[];
extern const size_t asset_openapi_json_len;
extern const unsigned char asset_app_js[];
extern const size_t asset_app_js_len;
extern const unsigned char asset_api_js[];
extern const size_t asset_api_js_len;
extern const unsigned char asset_dom_js[];
extern const size_t asset_dom_js_len;
extern const unsigned char asset_fleet_js[];
extern const size_t asset_fleet_js_len;
extern const unsigned char asset_grid_js[];
extern const size_t asset_grid_js_len;
extern const unsigned char asset_job_js[];
extern const size_t asset_job_js_len;
extern const unsigned char asset_jobs_js[];
extern const size_t asset_jobs_js_len;
extern const unsigned char asset_style_css[];
extern const size_t asset_style_css_len;
extern const unsigned char asset_index_html[];
extern const size_t asset_index_html_len;

#endif
