/* How fast one core copies memory: memcpy between two buffers that are larger than the caches, in
 * pieces (argument: bytes, default 131072) as large as a batch. Prints MB/s (bytes copied, not read
 * plus written). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUFFER ((size_t)256 << 20)
#define PASSES 4

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double copy_all(char *to, const char *from, size_t piece)
{
    double start = seconds_now();
    for (size_t at = 0; at + piece <= BUFFER; at += piece) {
        memcpy(to + at, from + at, piece);
    }
    return (double)BUFFER / (seconds_now() - start) * 1e-6;
}

int main(int argc, char **argv)
{
    size_t piece = argc > 1 ? strtoul(argv[1], NULL, 10) : 131072;
    char *from = malloc(BUFFER), *to = malloc(BUFFER);
    if (from == NULL || to == NULL || piece == 0 || piece > BUFFER) {
        fprintf(stderr, "usage: reference_memcpy [bytes in a piece]\n");
        return 2;
    }
    memset(from, 1, BUFFER); /* every page is there */
    memset(to, 2, BUFFER);
    double best = 0;
    for (int i = 0; i < PASSES; i++) {
        double speed = copy_all(to, from, piece);
        best = speed > best ? speed : best;
    }
    printf("%.0f\n", best);
    return to[BUFFER / 2] == 1 ? 0 : 1;
}
