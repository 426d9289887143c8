/* base/handover.h -- tells the thread sanitizer that memory changes hands between two threads in a
 * way that it cannot see: through a library that is not built for it. Nothing in other builds, and
 * no replacement for synchronisation: the library must give that. */
#ifndef BASE_HANDOVER_H
#define BASE_HANDOVER_H

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define WEIR_THREAD_SANITIZER
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define WEIR_THREAD_SANITIZER
#endif

#ifdef WEIR_THREAD_SANITIZER
void __tsan_release(void *address); /* of the sanitizer's run-time library */
void __tsan_acquire(void *address);
#define WEIR_HAND_OVER(address) __tsan_release(address) /* the giver's last word */
#define WEIR_TAKE_OVER(address) __tsan_acquire(address) /* the taker's first */
#else
#define WEIR_HAND_OVER(address) ((void)(address))
#define WEIR_TAKE_OVER(address) ((void)(address))
#endif

#endif
