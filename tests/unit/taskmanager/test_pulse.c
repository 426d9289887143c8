/* tests/unit/taskmanager/test_pulse.c -- a page between two processes, of which one is not trusted.
 */
#include "taskmanager/pulse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_beats_are_felt_in_the_other_process(void **state)
{
    weir_pulse *agent = NULL, *runner = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int fd = -1, status;
    (void)state;

    assert_int_equal(weir_pulse_new(2500, &agent, &fd, &err), 0);
    assert_int_equal(weir_pulse_beats(agent), 0);
    assert_int_equal(weir_pulse_pace(agent), 1);
    pid_t child = fork();
    if (child == 0) {
        if (weir_pulse_open(fd, &runner, &err) != 0 || weir_pulse_interval_ms(runner) != 2500)
            _exit(1);
        weir_pulse_beat(runner, 1);
        weir_pulse_beat(runner, 4);
        weir_pulse_close(&runner);
        _exit(0);
    }
    close(fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(weir_pulse_beats(agent), 2);
    assert_int_equal(weir_pulse_pace(agent), 4);
    weir_pulse_close(&agent);
    assert_null(agent);
}

/* The job's code could write anything there. */
static void test_no_pace_is_too_slow(void **state)
{
    weir_pulse *pulse = NULL;
    int fd = -1;
    (void)state;

    assert_int_equal(weir_pulse_new(2500, &pulse, &fd, NULL), 0);
    weir_pulse_beat(pulse, UINT32_MAX);
    assert_int_equal(weir_pulse_pace(pulse), WEIR_PULSE_PACE_MAX);
    weir_pulse_beat(pulse, 0);
    assert_int_equal(weir_pulse_pace(pulse), 1);
    close(fd);
    weir_pulse_close(&pulse);
}

static void test_what_is_no_pulse_is_refused(void **state)
{
    weir_pulse *pulse = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int ends[2];
    (void)state;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(weir_pulse_open(ends[0], &pulse, &err), WEIR_EINVALID);
    close(ends[1]);
    assert_int_equal(weir_pulse_open(open("/dev/null", O_RDWR | O_CLOEXEC), &pulse, &err),
                     WEIR_EINVALID);
    assert_true(weir_pulse_open(-1, &pulse, &err) < 0);
    assert_null(pulse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beats_are_felt_in_the_other_process),
        cmocka_unit_test(test_no_pace_is_too_slow),
        cmocka_unit_test(test_what_is_no_pulse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
