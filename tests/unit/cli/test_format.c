/* tests/unit/cli/test_format.c -- tables, rates, progress, exit codes. */
#include "cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <string.h>

static void columns_fit_their_cells(void **state)
{
    static const char *const headings[] = {"NAME", ">N", "LAST"};
    weir_table *table = weir_table_new(headings, 3);
    weir_buffer text = WEIR_BUFFER_INIT;
    (void)state;

    weir_table_cell(table, "%s", "a");
    weir_table_cell(table, "%d", 5);
    weir_table_cell(table, "x");
    weir_table_cell(table, "longer\xC3\xA9");
    weir_table_cell(table, "%d", 1234);
    weir_table_cell(table, "evil\033[2J\n");
    assert_int_equal(weir_table_rows(table), 2);
    assert_int_equal(weir_table_print(table, &text), 0);
    assert_string_equal(weir_buffer_text(&text), "NAME        N  LAST\n"
                                                 "a           5  x\n"
                                                 "longer\xC3\xA9  1234  evil?[2J?\n");
    weir_buffer_deinit(&text);
    weir_table_destroy(&table);
}

static void a_lost_cell_is_told(void **state)
{
    static const char *const headings[] = {"A"};
    weir_table *table = weir_table_new(headings, 1);
    weir_buffer text = WEIR_BUFFER_INIT;
    (void)state;

    weir_memory_fail_at(1);
    weir_table_cell(table, "x");
    weir_memory_fail_at(0);
    assert_int_equal(weir_table_print(table, &text), WEIR_ENO_MEMORY);
    weir_buffer_deinit(&text);
    weir_table_destroy(&table);
    for (uint64_t i = 1; i <= 2; i++) {
        weir_memory_fail_at(i);
        assert_null(weir_table_new(headings, 1));
        weir_memory_fail_at(0);
    }
}

static void rates(void **state)
{
    char text[40];
    weir_rate rate = {0};
    (void)state;

    assert_string_equal(weir_format_rate(0, text, sizeof text), "0 /s");
    assert_string_equal(weir_format_rate(-1, text, sizeof text), "0 /s");
    assert_string_equal(weir_format_rate(17, text, sizeof text), "17 /s");
    assert_string_equal(weir_format_rate(1234, text, sizeof text), "1.2 k/s");
    assert_string_equal(weir_format_rate(999960, text, sizeof text), "1.0 M/s");
    assert_string_equal(weir_format_rate(68.4e6, text, sizeof text), "68.4 M/s");
    assert_string_equal(weir_format_rate(2.5e9, text, sizeof text), "2.5 G/s");

    assert_true(weir_rate_update(&rate, 100, 1000) < 0.001);
    assert_true(weir_rate_update(&rate, 1100, 1100) < 0.001); /* too early to tell */
    double speed = weir_rate_update(&rate, 1100, 2000);
    assert_true(speed > 999 && speed < 1001);
    assert_true(weir_rate_update(&rate, 5, 3000) < 0.001); /* the job began anew */
}

static void durations(void **state)
{
    char text[40];
    (void)state;

    assert_string_equal(weir_progress_duration(-5, text, sizeof text), "0 ms");
    assert_string_equal(weir_progress_duration(999, text, sizeof text), "999 ms");
    assert_string_equal(weir_progress_duration(2310, text, sizeof text), "2.31 s");
    assert_string_equal(weir_progress_duration(250000, text, sizeof text), "4 min 10 s");
    assert_string_equal(weir_progress_duration(3660000, text, sizeof text), "1 h 1 min");
    assert_string_equal(weir_format_local_time(0, text, sizeof text), "-");
    assert_int_equal(strlen(weir_format_local_time(1700000000000, text, sizeof text)), 19);
}

static void progress(void **state)
{
    Weir__Proto__JobSummary job = WEIR__PROTO__JOB_SUMMARY__INIT;
    char text[512];
    (void)state;

    job.name = (char *)(uintptr_t) "wordcount";
    job.state = (char *)(uintptr_t) "FINISHED";
    job.start_ms = 1000;
    job.end_ms = 3310;
    job.records_in = 158000000;
    job.records_out = 31234;
    assert_string_equal(weir_progress_final(&job, text, sizeof text),
                        "job wordcount FINISHED in 2.31 s, 158,000,000 records in, 31,234 out "
                        "(68.4 M/s)");
    job.end_ms = 0; /* clocks differ: no nonsense */
    assert_non_null(strstr(weir_progress_final(&job, text, sizeof text), "in 0 ms"));
    job.tasks = 4;
    job.tasks_running = 3;
    job.name = (char *)(uintptr_t) "a\033b";
    assert_string_equal(weir_progress_line(&job, 1e6, 1500, 200, text, sizeof text),
                        "a?b FINISHED  tasks 3/4  in 158,000,000  out 31,234  1.0 M/s  1.50 s");
    assert_int_equal(strlen(weir_progress_line(&job, 1e6, 1500, 10, text, sizeof text)), 10);
    assert_true(weir_progress_is_ended("FAILED"));
    assert_true(weir_progress_is_ended("CANCELED"));
    assert_false(weir_progress_is_ended("CANCELLING"));
}

static void exit_codes(void **state)
{
    (void)state;
    assert_int_equal(weir_exit_of(0), 0);
    assert_int_equal(weir_exit_of(WEIR_EUSER), 1);
    assert_int_equal(weir_exit_of(WEIR_EIO), 1);
    assert_int_equal(weir_exit_of(WEIR_EINVALID), 2);
    assert_int_equal(weir_exit_of(WEIR_EVERSION), 2);
    assert_int_equal(weir_exit_of(WEIR_ENOT_FOUND), 3);
    assert_int_equal(weir_exit_of(WEIR_EUNAVAILABLE), 3);
    assert_int_equal(weir_exit_of(WEIR_ETIMEOUT), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_fit_their_cells),
        cmocka_unit_test(a_lost_cell_is_told),
        cmocka_unit_test(rates),
        cmocka_unit_test(durations),
        cmocka_unit_test(progress),
        cmocka_unit_test(exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
