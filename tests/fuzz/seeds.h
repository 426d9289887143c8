/* tests/fuzz/seeds.h -- what the files of fuzz_seeds share. */
#ifndef TESTS_FUZZ_SEEDS_H
#define TESTS_FUZZ_SEEDS_H

#include "fuzz.h"

/* Writes <directory>/<target>/<name>; empties the buffer. */
void fuzz_seed(const char *target, const char *name, weir_buffer *content);
void fuzz_seed_bytes(const char *target, const char *name, const void *prefix, size_t prefix_size,
                     const void *bytes, size_t size);
/* A first byte and a text. */
void fuzz_seed_text(const char *target, const char *name, int first, const char *text);

/* Appends a literal, which may hold NULs. */
#define FUZZ_PUT(out, literal) weir_buffer_append(out, literal, sizeof(literal) - 1)

void fuzz_seed_texts(void);  /* seeds_texts.c */
void fuzz_seed_data(void);   /* seeds_data.c: batches, keys, frames, modules, records */
void fuzz_seed_worlds(void); /* seeds_worlds.c: conversations of actors */

#endif
