/* test_scan_portable.c -- finding bytes on a processor without wide instructions. */
#undef __SSE2__
#include "scan_tests.h"
