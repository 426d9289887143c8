/* tests/system/zmtp.h -- just enough of ZeroMQ's wire protocol (ZMTP 3.0, mechanism NULL) to be
 * rude in it: a library would not send what the tests want to send. Blocking; a failure is a return
 * of -1 with errno. */
#ifndef SYSTEM_ZMTP_H
#define SYSTEM_ZMTP_H

#include <stddef.h>
#include <stdint.h>

enum { ZMTP_GREETING = 64, ZMTP_MORE = 1, ZMTP_LONG = 2, ZMTP_COMMAND = 4 };

int zmtp_dial(const char *address, int port);   /* a TCP connection, with a deadline of 5 s */
void zmtp_greeting(uint8_t out[ZMTP_GREETING]); /* what a client says first */
int zmtp_open(const char *address, int port);   /* dials and shakes hands, as a DEALER */
int zmtp_send(int fd, int flags, const void *bytes, size_t size);
int zmtp_send_raw(int fd, const void *bytes, size_t size);
/* The next message's bytes, commands left out. -1: the connection ended, or 5 s have passed. */
int zmtp_receive(int fd, void *out, size_t max);
/* Waits until the other side hangs up: 0; -1 after `seconds`. What it sends meanwhile is dropped.
 */
int zmtp_wait_end(int fd, int seconds);

#endif
