/* test_token_portable.c -- the job's tokenizer on a processor without wide instructions. */
#undef __SSE2__
#include "token_tests.h"
