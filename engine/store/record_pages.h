/* store/record_pages.h -- is the file of a record store sound, page by page? LMDB has no checksums
 * and believes its pages: a wrong number in one of them makes it write over others, or abort,
 * later, when the values have long been read and found well. So what it relies on is checked first:
 * every page is what it says it is, and belongs to one tree or to the list of free pages, once. */
#ifndef STORE_RECORD_PAGES_H
#define STORE_RECORD_PAGES_H

#include "base/error.h"

#include <stdint.h>

/* `page_size` and `transaction`: of the state that LMDB reads. WEIR_ECORRUPT: the text is a phrase,
 * the caller puts the place in front. The file may not change meanwhile. */
int weir_record_pages_check(const char *path, uint32_t page_size, uint64_t transaction,
                            weir_error *err) WEIR_MUST_CHECK;

#endif
