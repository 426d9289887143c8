/* base/text.h -- UTF-8 in texts that come from elsewhere: user code, files, logs, peers.
 *
 * A message's text must be well-formed UTF-8: the receiver refuses the whole message otherwise, and
 * with it the report that it carried, so that the one who waits for it waits forever. Whatever may
 * hold other bytes (a log's tail, a text that was cut in the middle of a character, a line of the
 * user's data in his error text) is cleaned before it goes into a message. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed UTF-8 character at `text` (of size > 0 bytes), or 0. NUL is a character
 * of 1 byte. */
size_t weir_text_character(const void *text, size_t size);
/* C0, DEL, and C1, which is U+0080 to U+009F. `length` is what weir_text_character gave. */
bool weir_text_is_control(const void *character, size_t length);
/* In place: every byte of an ill-formed sequence and of a control character becomes '?'; newlines
 * and tabs stay. The length stays as it is. `text` is NUL-terminated. */
void weir_text_clean(char *text);
/* The same for bytes that may hold NULs, such as the tail of a log; bytes[size] is NUL. */
void weir_text_clean_bytes(char *bytes, size_t size);
/* The most bytes of a well-formed text, at most `size`, that end at the end of a character. */
size_t weir_text_cut(const char *text, size_t size);

#endif
