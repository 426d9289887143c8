/* cli/output.h -- what goes to stdout: whole texts and JSON documents; and how numbers are shown.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "base/buffer.h"
#include "cli/table.h"

#include <jansson.h>

/* Writes and destroys; returns the exit code, having told of a failure. */
int weir_output_text(weir_buffer *text);
int weir_output_table(weir_table **table);
int weir_output_json(json_t *document);

/* Records a second for people: "68.4 M/s", "1.2 k/s", "17 /s". */
const char *weir_format_rate(double per_second, char *out, size_t size);
/* "2026-08-21 10:00:05", local time; "-" for 0. */
const char *weir_format_local_time(int64_t wall_ms, char *out, size_t size);

#endif
