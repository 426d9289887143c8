/* standard/standard.h -- this terminal: rows from stdin, rows to stdout. Option tables in the .c.
 */
#ifndef CONNECTORS_STANDARD_STANDARD_H
#define CONNECTORS_STANDARD_STANDARD_H

#include "graph/connector.h"

/* Source. Subtask 0 reads, the others end at once. Never changes the flags of the shared
 * descriptor. */
extern const weir_connector weir_stdin_connector;
/* Sink. Gives whole lines to the context's print function, else to the process's stdout. */
extern const weir_connector weir_print_connector;

#endif
