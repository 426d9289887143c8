/* test_token.c -- the job's tokenizer, with the processor's wide instructions where it has them. */
#include "token_tests.h"
