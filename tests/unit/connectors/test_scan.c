/* test_scan.c -- finding bytes, with the processor's wide instructions where it has them. */
#include "scan_tests.h"
