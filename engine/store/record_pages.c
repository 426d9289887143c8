/* store/record_pages.c -- reads the file of an LMDB environment by itself (data format 1, which all
 * of LMDB 0.9 writes). Two pages begin with a description each; the one with the greater number of
 * a transaction counts. It names the roots of two trees: of the free pages, and of the values.
 *
 * A page: 0 own number u64, 8 pad u16, 10 kind u16, 12 end of the table u16, begin of the nodes u16
 * (pages of a large value: 12 how many u32), 16 table: place of each node u16.
 *
 * A node: 0 low and high half of the size of its value u16 u16, 4 flags u16, 6 size of its key u16,
 * 8 key, then the value, or the number of the page where it begins; in a branch the first three are
 * the number of the page below.
 *
 * A description, behind the page's 16: 0 magic, 4 format u32, 24 and 72 the trees, 120 last page in
 * use u64, 128 transaction u64. A tree: 4 flags u16, 6 depth u16, 8 branches, 16 leaves, 24 pages
 * of large values, 32 entries, 40 root u64. */
#include "store/record_pages.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FORMAT = 1,
    PAGE_HEAD = 16,
    NODE_HEAD = 8,
    KEY_MAX = 511,
    DEPTH_MAX = 32, /* LMDB's own */
    PAGE_SIZE_MIN = 512,
};

enum page_kind { BRANCH = 1, LEAF = 2, LARGE = 4, DESCRIPTION = 8 };
enum { VALUE_IS_LARGE = 1, KEYS_ARE_INTEGERS = 8 };

#define MAGIC   0xBEEFC0DEu
#define NO_ROOT UINT64_MAX

typedef struct tree {
    const uint8_t *at; /* its description */
    bool is_free_list;
    uint64_t branches, leaves, large, entries; /* as found */
} tree;

typedef struct pages {
    const uint8_t *file;
    uint64_t size, page_size;
    uint64_t last;        /* page in use */
    uint64_t transaction; /* of the state */
    uint8_t *seen;        /* by page */
    const char *what;     /* is wrong */
} pages;

static uint64_t load(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static bool fail(pages *self, const char *what)
{
    self->what = what;
    return false;
}

static const uint8_t *page_at(const pages *self, uint64_t number)
{
    return self->file + number * self->page_size;
}

/* Each page has one owner. */
static bool take(pages *self, uint64_t number, uint64_t count)
{
    if (number < 2 || number > self->last || count > self->last - number + 1)
        return fail(self, "a page is named that is not there");
    for (uint64_t i = number; i < number + count; i++) {
        if (self->seen[i])
            return fail(self, "a page is used twice");
        self->seen[i] = 1;
    }
    return true;
}

/* Its number and kind; takes it. */
static bool enter(pages *self, uint64_t number, enum page_kind kind, uint64_t count)
{
    const uint8_t *page = page_at(self, number);
    if (!take(self, number, count))
        return false;
    if (load(page, 8) != number || load(page + 10, 2) != (uint64_t)kind)
        return fail(self, "a page is not what it should be");
    return true;
}

/* The pages of a large value. */
static bool check_large(pages *self, tree *of, uint64_t number, uint64_t size)
{
    uint64_t needed = (PAGE_HEAD - 1 + size) / self->page_size + 1, count;
    if (number < 2 || number > self->last)
        return fail(self, "a page is named that is not there");
    count = load(page_at(self, number) + 12, 4);
    if (count < needed)
        return fail(self, "a large value is cut");
    of->large += count;
    return enter(self, number, LARGE, count);
}

/* Numbers of free pages, the greatest first, behind their count. */
static bool check_free_pages(pages *self, const uint8_t *key, uint64_t key_size,
                             const uint8_t *value, uint64_t size)
{
    uint64_t before = UINT64_MAX;
    if (key_size != 8 || load(key, 8) > self->transaction || size < 8 ||
        load(value, 8) > size / 8 - 1)
        return fail(self, "its list of free pages is damaged");
    for (uint64_t i = 0; i < load(value, 8); i++) {
        uint64_t number = load(value + 8 * (i + 1), 8);
        if (number >= before)
            return fail(self, "its list of free pages is damaged");
        if (!take(self, number, 1))
            return false;
        before = number;
    }
    return true;
}

/* One node of a leaf, with `room` bytes up to the page's end. Returns its size, 0 on failure. */
static uint64_t check_entry(pages *self, tree *of, const uint8_t *node, uint64_t room)
{
    uint64_t size = load(node, 4), flags = load(node + 4, 2), key_size = load(node + 6, 2);
    bool is_large = flags == VALUE_IS_LARGE;
    uint64_t whole = NODE_HEAD + key_size + (is_large ? 8 : size);
    const uint8_t *value = node + NODE_HEAD + key_size;
    if ((flags != 0 && !is_large) || key_size == 0 || key_size > KEY_MAX || whole > room) {
        fail(self, "an entry does not fit its page");
        return 0;
    }
    of->entries++;
    if (is_large) {
        uint64_t number = load(value, 8);
        if (!check_large(self, of, number, size))
            return 0;
        value = page_at(self, number) + PAGE_HEAD;
    }
    if (of->is_free_list && !check_free_pages(self, node + NODE_HEAD, key_size, value, size))
        return 0;
    return whole;
}

static bool check_page(pages *self, tree *of, uint64_t number, unsigned levels);

static uint64_t check_branch(pages *self, tree *of, const uint8_t *node, uint64_t room,
                             unsigned levels)
{
    uint64_t whole = NODE_HEAD + load(node + 6, 2);
    if (whole > NODE_HEAD + KEY_MAX || whole > room) {
        fail(self, "an entry does not fit its page");
        return 0;
    }
    return check_page(self, of, load(node, 6), levels - 1) ? whole : 0;
}

/* `levels`: down to the leaves, with them. */
static bool check_page(pages *self, tree *of, uint64_t number, unsigned levels)
{
    bool is_leaf = levels == 1;
    uint64_t used = 0;
    if (number < 2 || number > self->last)
        return fail(self, "a page is named that is not there");
    if (!enter(self, number, is_leaf ? LEAF : BRANCH, 1))
        return false;
    const uint8_t *page = page_at(self, number);
    uint64_t lower = load(page + 12, 2), upper = load(page + 14, 2);
    if (lower <= PAGE_HEAD || lower > upper || upper > self->page_size || lower % 2 != 0)
        return fail(self, "the table of a page is damaged");
    for (uint64_t i = PAGE_HEAD; i < lower; i += 2) {
        uint64_t place = load(page + i, 2);
        if (place < upper || place > self->page_size - NODE_HEAD)
            return fail(self, "the table of a page is damaged");
        uint64_t room = self->page_size - place;
        uint64_t size = is_leaf ? check_entry(self, of, page + place, room)
                                : check_branch(self, of, page + place, room, levels);
        if (size == 0)
            return false;
        used += (size + 1) / 2 * 2;
    }
    if (used != self->page_size - upper)
        return fail(self, "the entries of a page do not fill it");
    of->branches += is_leaf ? 0 : 1;
    of->leaves += is_leaf ? 1 : 0;
    return true;
}

static bool check_tree(pages *self, tree *of)
{
    uint64_t depth = load(of->at + 6, 2), root = load(of->at + 40, 8);
    if (load(of->at + 4, 2) != (of->is_free_list ? KEYS_ARE_INTEGERS : 0) || depth > DEPTH_MAX ||
        (depth == 0) != (root == NO_ROOT))
        return fail(self, "the description of a tree is damaged");
    if (depth > 0 && !check_page(self, of, root, (unsigned)depth))
        return false;
    if (load(of->at + 8, 8) != of->branches || load(of->at + 16, 8) != of->leaves ||
        load(of->at + 24, 8) != of->large || load(of->at + 32, 8) != of->entries)
        return fail(self, "the pages of a tree are not as many as it says");
    return true;
}

/* The description that counts: each transaction writes the one that its number says, so the other
 * is of the one before. NULL when they are not so: what is lost may be the last transaction. */
static const uint8_t *find_description(const pages *self)
{
    const uint8_t *found[2];
    uint64_t place = self->transaction & 1, before = self->transaction;

    for (uint64_t i = 0; i < 2; i++) {
        found[i] = page_at(self, i) + PAGE_HEAD;
        if (load(page_at(self, i), 8) != i)
            return NULL;
    }
    if (before > 0)
        before--;
    return load(found[place] + 128, 8) == self->transaction &&
                   load(found[1 - place] + 128, 8) == before
               ? found[place]
               : NULL;
}

static bool check_file(pages *self)
{
    const uint8_t *at = find_description(self);
    if (at == NULL || load(at, 4) != MAGIC)
        return fail(self, "its first pages disagree");
    if (load(at + 4, 4) != FORMAT) /* of another LMDB, which knows it better */
        return true;
    self->last = load(at + 120, 8);
    if (self->last < 1 || self->last >= self->size / self->page_size)
        return fail(self, "it is cut");
    self->seen = weir_calloc(self->last + 1, 1);
    if (self->seen == NULL)
        return fail(self, NULL);
    tree free_pages = {.at = at + 24, .is_free_list = true}, values = {.at = at + 72};
    if (!check_tree(self, &free_pages) || !check_tree(self, &values))
        return false;
    for (uint64_t i = 2; i <= self->last; i++) {
        if (!self->seen[i])
            return fail(self, "a page belongs to nothing");
    }
    return true;
}

static int check_mapped(pages *self, weir_error *err)
{
    bool is_sound = check_file(self);
    weir_free(self->seen);
    if (is_sound)
        return 0;
    if (self->what == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "out of memory");
    return weir_error_set(err, WEIR_ECORRUPT, "%s", self->what);
}

int weir_record_pages_check(const char *path, uint32_t page_size, uint64_t transaction,
                            weir_error *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        int rc = weir_error_errno(err, errno, "it cannot be looked at");
        if (fd >= 0)
            close(fd);
        return rc;
    }
    pages self = {
        .size = (uint64_t)status.st_size, .page_size = page_size, .transaction = transaction};
    if (page_size < PAGE_SIZE_MIN || self.size < 2 * self.page_size) {
        close(fd);
        return weir_error_set(err, WEIR_ECORRUPT, "it is cut");
    }
    void *map = mmap(NULL, self.size, PROT_READ, MAP_PRIVATE, fd, 0);
    int rc = map == MAP_FAILED ? weir_error_errno(err, errno, "it cannot be read") : 0;
    close(fd);
    if (rc != 0)
        return rc;
    self.file = map;
    rc = check_mapped(&self, err);
    munmap(map, self.size);
    return rc;
}
