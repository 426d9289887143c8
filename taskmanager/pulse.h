/* taskmanager/pulse.h -- a page that an agent shares with one of its task runners: a number that
 * grows as long as the runner's control thread runs. So a runner that hangs or is stopped is found
 * out at the cost of a store now and then, without a message. */
#ifndef TASKMANAGER_PULSE_H
#define TASKMANAGER_PULSE_H

#include "base/error.h"

#include <stdint.h>

#define WEIR_PULSE_FD       3 /* of a task runner, when it starts */
#define WEIR_PULSE_PACE_MAX 4 /* of a runner that has nothing to do */

typedef struct weir_pulse weir_pulse;

/* The agent's end. *ret_fd is for the runner: the agent closes it once the runner has inherited it.
 */
int weir_pulse_new(int64_t interval_ms, weir_pulse **ret, int *ret_fd,
                   weir_error *err) WEIR_MUST_CHECK;
/* The runner's end; takes the descriptor over, also on failure. */
int weir_pulse_open(int fd, weir_pulse **ret, weir_error *err) WEIR_MUST_CHECK;
void weir_pulse_close(weir_pulse **pulse);

/* `pace`: the next beat comes within so many intervals; at least 1. */
void weir_pulse_beat(weir_pulse *pulse, uint32_t pace);
uint64_t weir_pulse_beats(const weir_pulse *pulse);
uint32_t weir_pulse_pace(const weir_pulse *pulse);       /* of the last beat; never 0 */
int64_t weir_pulse_interval_ms(const weir_pulse *pulse); /* how often the agent looks */

#endif
