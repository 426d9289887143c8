/* wordcount.c -- how often each word of a file occurs, written by hand: what a word count is
 * compared with.
 *
 *   reference_wordcount FILE [THREADS] [floor|print]
 *
 * Words are what spaces, tabs and newlines separate. Each thread takes one range of the file and
 * counts into a table of its own; the tables are merged at the end. Prints words, distinct words
 * and the CPU time of the process; with `print` the counts themselves, in no order. With `floor`
 * nothing is compared and nothing kept: the file is read and split just so, and every word is
 * hashed and adds one to a slot of a small array. Nothing that counts words can be expected to be
 * faster. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK_SIZE   (256u << 10) /* of one read: stays in the second-level cache */
#define WORD_SIZE    (1u << 20)   /* the longest word */
#define THREADS_MAX  64
#define FLOOR_SLOTS  8192u
#define SHORT_SIZE   15u
#define LONG         UINT64_C(0xff)
#define TABLE_FIRST  65536u /* entries: few words share a place */
#define BATCH        256u   /* words that are looked up together */
#define CACHED_WORDS 8192u  /* so many entries stay in the second-level cache */

/* A word of up to 15 bytes is a key of two words itself: its bytes, zeros, and its size in the last
 * byte. A longer one is a hash, the address of its text and LONG in that byte. */
typedef struct entry {
    uint64_t low, high; /* high 0: free */
    uint64_t count, unused;
} entry;

typedef struct text {
    size_t size;
    char bytes[];
} text;

typedef struct counter {
    const char *path;
    uint64_t begin, end; /* words that start here */
    bool floor;
    pthread_t thread;
    entry *table;
    uint64_t mask, distinct, words;
    uint32_t starts[BATCH + 64], ends[BATCH + 64]; /* of words on their way into the table */
    uint32_t slots[FLOOR_SLOTS];
} counter;

static const uint8_t keep[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void fail(const char *what)
{
    fprintf(stderr, "reference_wordcount: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        fail("memory");
    return memory;
}

/* ---- the table ---- */

static inline uint64_t mix(uint64_t low, uint64_t high)
{
    unsigned __int128 product = (unsigned __int128)(low ^ UINT64_C(0x9e3779b97f4a7c15)) *
                                (high ^ UINT64_C(0xd1b54a32d192ed03));

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_long(const char *p, size_t size)
{
    uint64_t hash = size, words[2];
    size_t at;

    for (at = 0; at + 16 < size; at += 16) {
        memcpy(words, p + at, sizeof words);
        hash = mix(words[0] ^ hash, words[1]);
    }
    memcpy(words, p + size - 16, sizeof words);
    return mix(words[0] ^ hash, words[1]);
}

static bool is_long(const entry *e)
{
    return e->high >> 56 == LONG;
}

static text *text_of(const entry *e)
{
    return (text *)(uintptr_t)(e->high & ~(LONG << 56));
}

static void grow(counter *c)
{
    uint64_t mask = c->table == NULL ? TABLE_FIRST - 1 : c->mask * 2 + 1;
    entry *table = allocate(mask + 1, sizeof *table);

    for (uint64_t i = 0; c->table != NULL && i <= c->mask; i++) {
        const entry *e = &c->table[i];
        uint64_t at = (is_long(e) ? e->low : mix(e->low, e->high)) & mask;

        if (e->high == 0)
            continue;
        while (table[at].high != 0)
            at = (at + 1) & mask;
        table[at] = *e;
    }
    free(c->table);
    c->table = table;
    c->mask = mask;
}

static void add_new(counter *c, entry *e, entry new)
{
    *e = new;
    if (++c->distinct * 2 > c->mask)
        grow(c);
}

/* A word that is not in the first place where it could be. */
static __attribute__((noinline)) void add_short(counter *c, uint64_t low, uint64_t high, uint64_t n)
{
    uint64_t at = mix(low, high) & c->mask;

    while (c->table[at].high != 0 && (c->table[at].low != low || c->table[at].high != high))
        at = (at + 1) & c->mask;
    if (c->table[at].high != 0)
        c->table[at].count += n;
    else
        add_new(c, &c->table[at], (entry){.low = low, .high = high, .count = n});
}

static __attribute__((noinline)) void add_long(counter *c, const char *p, size_t size, uint64_t n)
{
    uint64_t hash = hash_long(p, size), at = hash & c->mask;
    text *copy;

    for (; c->table[at].high != 0; at = (at + 1) & c->mask) {
        entry *e = &c->table[at];

        if (is_long(e) && e->low == hash && text_of(e)->size == size &&
            memcmp(text_of(e)->bytes, p, size) == 0) {
            e->count += n;
            return;
        }
    }
    copy = allocate(1, sizeof *copy + size);
    copy->size = size;
    memcpy(copy->bytes, p, size);
    add_new(c, &c->table[at],
            (entry){.low = hash, .high = (uint64_t)(uintptr_t)copy | LONG << 56, .count = n});
}

/* The key of a short word; sixteen bytes may be read behind any. */
static inline void load_short(const char *p, size_t size, uint64_t *ret_low, uint64_t *ret_high)
{
    uint64_t words[2], masks[2];

    memcpy(words, p, sizeof words);
    memcpy(masks, keep + 16 - size, sizeof masks);
    *ret_low = words[0] & masks[0];
    *ret_high = (words[1] & masks[1]) | (uint64_t)size << 56;
}

/* All words that wait: first their hashes, so that their entries are on the way from memory, then
 * the look-ups. */
static __attribute__((noinline)) void count_waiting(counter *c, const char *p, uint32_t n)
{
    uint64_t lows[BATCH + 64], highs[BATCH + 64];
    uint32_t hashes[BATCH + 64];

    for (uint32_t i = 0; i < n; i++) {
        uint32_t size = c->ends[i] - c->starts[i];

        if (__builtin_expect(size > SHORT_SIZE, 0)) {
            highs[i] = 0;
            continue;
        }
        load_short(p + c->starts[i], size, &lows[i], &highs[i]);
        hashes[i] = (uint32_t)mix(lows[i], highs[i]);
        __builtin_prefetch(&c->table[hashes[i] & c->mask]);
    }
    for (uint32_t i = 0; i < n; i++) {
        entry *e;

        if (__builtin_expect(highs[i] == 0, 0)) {
            add_long(c, p + c->starts[i], c->ends[i] - c->starts[i], 1);
            continue;
        }
        e = &c->table[hashes[i] & c->mask];
        if (__builtin_expect(((e->low ^ lows[i]) | (e->high ^ highs[i])) == 0, 1))
            e->count++;
        else
            add_short(c, lows[i], highs[i], 1);
    }
    c->words += n;
}

/* ---- splitting ---- */

/* Bit i: byte i of the 64 at p separates words. */
static inline uint64_t separators(const char *p)
{
    uint64_t mask = 0;

#if defined(__SSE2__)
    for (unsigned i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')),
                                     _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')),
                                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'))));

        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(found) << (16 * i);
    }
#else
    for (unsigned i = 0; i < 64; i++)
        mask |= (uint64_t)(p[i] == ' ' || p[i] == '\t' || p[i] == '\n') << i;
#endif
    return mask;
}

/* Adds the words that end in the first `size` bytes; returns where the unfinished one starts. 64
 * bytes behind them must be there. For many words: batches, whose entries come from memory
 * together. */
static __attribute__((noinline)) size_t split_in_batches(counter *c, const char *p, size_t size)
{
    size_t start = 0;
    uint32_t n = 0;

    for (size_t at = 0; at < size; at += 64) {
        uint64_t mask = separators(p + at);

        if (size - at < 64)
            mask &= (UINT64_C(1) << (size - at)) - 1;
        for (; mask != 0; mask &= mask - 1) {
            size_t end = at + (size_t)__builtin_ctzll(mask);

            c->starts[n] = (uint32_t)start;
            c->ends[n] = (uint32_t)end;
            n += end > start;
            start = end + 1;
        }
        if (n >= BATCH) {
            count_waiting(c, p, n);
            n = 0;
        }
    }
    count_waiting(c, p, n);
    return start;
}

/* The same for so few words that their entries are in the cache: one look-up at once. */
static __attribute__((noinline)) size_t split_directly(counter *c, const char *p, size_t size)
{
    entry *table = c->table;
    uint64_t last = c->mask, n = 0, low, high;
    size_t start = 0;

    for (size_t at = 0; at < size; at += 64) {
        uint64_t mask = separators(p + at);

        if (size - at < 64)
            mask &= (UINT64_C(1) << (size - at)) - 1;
        for (; mask != 0; mask &= mask - 1) {
            size_t end = at + (size_t)__builtin_ctzll(mask), length = end - start;
            const char *word = p + start;
            entry *e;

            start = end + 1;
            n += length > 0;
            if (length - 1 >= SHORT_SIZE) {
                if (length > 0)
                    add_long(c, word, length, 1);
                table = c->table; /* it may have grown */
                last = c->mask;
                continue;
            }
            load_short(word, length, &low, &high);
            e = &table[mix(low, high) & last];
            if (__builtin_expect(((e->low ^ low) | (e->high ^ high)) == 0, 1)) {
                e->count++;
                continue;
            }
            add_short(c, low, high, 1);
            table = c->table;
            last = c->mask;
        }
    }
    c->words += n;
    return start;
}

static size_t split_and_count(counter *c, const char *p, size_t size)
{
    return c->distinct < CACHED_WORDS ? split_directly(c, p, size) : split_in_batches(c, p, size);
}

/* The same without a table. */
static size_t split_and_hash(counter *c, const char *p, size_t size)
{
    size_t start = 0;
    uint64_t n = 0;

    for (size_t at = 0; at < size; at += 64) {
        uint64_t mask = separators(p + at), words[2];

        if (size - at < 64)
            mask &= (UINT64_C(1) << (size - at)) - 1;
        for (; mask != 0; mask &= mask - 1) {
            size_t end = at + (size_t)__builtin_ctzll(mask), length = end - start;

            if (length > 0) {
                uint64_t hash;

                if (length <= SHORT_SIZE) {
                    load_short(p + start, length, &words[0], &words[1]);
                    hash = mix(words[0], words[1]);
                } else {
                    hash = hash_long(p + start, length);
                }
                c->slots[hash % FLOOR_SLOTS]++;
                n++;
            }
            start = end + 1;
        }
    }
    c->words += n;
    return start;
}

/* ---- ranges of the file ---- */

/* Where the first word at or behind `from` begins that no earlier range has. */
static uint64_t next_start(int file, uint64_t from)
{
    char c;

    for (uint64_t at = from > 0 ? from - 1 : 0;; at++) {
        if (from == 0 || pread(file, &c, 1, (off_t)at) <= 0)
            return from == 0 ? 0 : at;
        if (c == ' ' || c == '\t' || c == '\n')
            return at + 1;
    }
}

static void *count_range(void *self)
{
    counter *c = self;
    int file = open(c->path, O_RDONLY | O_CLOEXEC);
    /* Reads go to the start of a page, for which copying in the kernel is fastest; the beginning of
     * a word that was cut off lies in front. */
    char *memory = aligned_alloc(4096, WORD_SIZE + BLOCK_SIZE + 4096);
    char *block = memory + WORD_SIZE;
    uint64_t at, stop;
    size_t held = 0;

    if (file < 0)
        fail(c->path);
    if (memory == NULL)
        fail("memory");
    grow(c);
    at = next_start(file, c->begin);
    stop = next_start(file, c->end);
    while (at < stop) {
        size_t want = stop - at < BLOCK_SIZE ? (size_t)(stop - at) : BLOCK_SIZE, start, size;
        ssize_t n = pread(file, block, want, (off_t)at);
        char *from = block - held;

        if (n <= 0)
            fail(c->path);
        size = held + (size_t)n;
        start = c->floor ? split_and_hash(c, from, size) : split_and_count(c, from, size);
        held = size - start;
        if (held >= WORD_SIZE)
            fail("a word is too long");
        memmove(block - held, from + start, held);
        at += (uint64_t)n;
    }
    if (held > 0) { /* the last word of all has no end: give it one */
        *block = '\n';
        (void)(c->floor ? split_and_hash : split_and_count)(c, block - held, held + 1);
    }
    free(memory);
    close(file);
    return NULL;
}

static void merge(counter *to, const counter *from)
{
    for (uint64_t i = 0; i <= from->mask; i++) {
        const entry *e = &from->table[i];

        if (is_long(e))
            add_long(to, text_of(e)->bytes, text_of(e)->size, e->count);
        else if (e->high != 0)
            add_short(to, e->low, e->high, e->count);
    }
    to->words += from->words;
}

static void print(const counter *c)
{
    for (uint64_t i = 0; i <= c->mask; i++) {
        const entry *e = &c->table[i];

        if (is_long(e))
            printf("%.*s", (int)text_of(e)->size, text_of(e)->bytes);
        else if (e->high != 0)
            printf("%.*s", (int)(e->high >> 56), (const char *)&e->low);
        if (e->high != 0)
            printf("\t%llu\n", (unsigned long long)e->count);
    }
}

int main(int argc, char **argv)
{
    int threads = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1;
    const char *what = argc > 3 ? argv[3] : "";
    counter *counters;
    struct stat status;
    struct timespec cpu;

    if (argc < 2 || threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: reference_wordcount FILE [THREADS] [floor|print]\n");
        return 2;
    }
    if (stat(argv[1], &status) != 0)
        fail(argv[1]);
    counters = allocate((size_t)threads, sizeof *counters);
    for (int i = 0; i < threads; i++) {
        counter *c = &counters[i];

        c->path = argv[1];
        c->begin = (uint64_t)status.st_size / (uint64_t)threads * (uint64_t)i;
        c->end = i + 1 < threads ? (uint64_t)status.st_size / (uint64_t)threads * (uint64_t)(i + 1)
                                 : (uint64_t)status.st_size;
        c->floor = strcmp(what, "floor") == 0;
        if (pthread_create(&c->thread, NULL, count_range, c) != 0)
            fail("thread");
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(counters[i].thread, NULL);
        if (i > 0)
            merge(&counters[0], &counters[i]);
    }
    if (strcmp(what, "print") == 0)
        print(&counters[0]);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    fprintf(strcmp(what, "print") == 0 ? stderr : stdout, "words %llu distinct %llu cpu_us %llu\n",
            (unsigned long long)counters[0].words, (unsigned long long)counters[0].distinct,
            (unsigned long long)cpu.tv_sec * 1000000 + (unsigned long long)cpu.tv_nsec / 1000);
    return 0;
}
