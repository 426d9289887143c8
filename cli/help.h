/* cli/help.h -- texts that are made from the table of commands. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "base/buffer.h"
#include "cli/command.h"

void weir_help_all(weir_buffer *out);
void weir_help_command(const weir_command *command, weir_buffer *out);
void weir_help_completion(weir_buffer *out); /* a script for bash */

#endif
