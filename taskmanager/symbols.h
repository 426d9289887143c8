/* taskmanager/symbols.h -- the function at an address of a shared object, from its full symbol
 * table (dladdr knows exported functions only, and a job exports none). Safe in a signal handler.
 */
#ifndef TASKMANAGER_SYMBOLS_H
#define TASKMANAGER_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

/* `offset`: from the object's load address. Writes the name and returns 0, or -1. */
int weir_symbol_at(const char *path, uint64_t offset, char *out, size_t size);

#endif
