#include "jobmanager/execution.h"

#include "graph/graph_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* source x3 -> (rebalance) sink x2 */
static weir_execution *make(void)
{
    weir_graph *graph = NULL;
    weir_buffer packed = WEIR_BUFFER_INIT;
    weir_execution *execution = NULL;
    weir_schema *schema = NULL;

    assert_int_equal(weir_schema_parse("text string not null", &schema, NULL), 0);
    assert_int_equal(weir_graph_new("job", &graph), 0);
    weir_graph_operator *source = weir_graph_add_operator(graph);
    source->id.bytes[0] = 1;
    source->kind = WEIR_OPERATOR_SOURCE;
    source->name = source->connector = source->url = "datagen";
    source->uid = source->path = source->where = "";
    source->parallelism = 3;
    source->noutputs = 1;
    source->outputs[0] = weir_schema_ref(schema);
    source->output_names[0] = "";
    weir_graph_operator *sink = weir_graph_add_operator(graph);
    sink->id.bytes[0] = 2;
    sink->kind = WEIR_OPERATOR_SINK;
    sink->name = sink->connector = sink->url = "blackhole";
    sink->uid = sink->path = sink->where = "";
    sink->parallelism = 2;
    sink->ninputs = 1;
    sink->inputs[0] = weir_schema_ref(schema);
    sink->origin = 1;
    weir_graph_edge *edge = weir_graph_add_edge(graph);
    edge->to = 1;
    edge->kind = WEIR_EDGE_REBALANCE;
    graph->parallelism = 1;
    graph->max_parallelism = 128;
    assert_int_equal(weir_graph_pack(graph, &packed), 0);
    weir_error error = WEIR_ERROR_INIT;
    if (weir_execution_new(packed.data, packed.size, true, 1000, &execution, &error) < 0)
        fail_msg("%s", error.text);
    weir_buffer_deinit(&packed);
    weir_graph_destroy(&graph);
    weir_schema_unref(&schema);
    return execution;
}

static void move_all(weir_execution *execution, uint32_t status)
{
    for (uint32_t i = 0; i < execution->nsubtasks; i++)
        assert_true(weir_execution_move_task(execution, execution->subtasks[i].task,
                                             execution->subtasks[i].subtask, status));
}

static void test_a_job_runs_through(void **state)
{
    weir_execution *execution = make();
    (void)state;

    assert_int_equal(execution->nsubtasks, 5);
    assert_int_equal(execution->plan->slots, 3);
    assert_true(weir_execution_move_job(execution, WEIR_JOB_CREATED, 1001));
    move_all(execution, WEIR_TASK_SCHEDULED);
    move_all(execution, WEIR_TASK_DEPLOYING);
    move_all(execution, WEIR_TASK_INITIALIZING);
    move_all(execution, WEIR_TASK_RUNNING);
    assert_int_equal(weir_execution_count(execution, WEIR_TASK_RUNNING), 5);
    assert_true(weir_execution_move_job(execution, WEIR_JOB_RUNNING, 1002));
    assert_false(weir_execution_all_ended(execution));
    move_all(execution, WEIR_TASK_FINISHED);
    assert_true(weir_execution_all_ended(execution));
    assert_true(weir_execution_move_job(execution, WEIR_JOB_FINISHED, 1003));
    assert_true(weir_execution_is_ended(execution));
    assert_int_equal(execution->nhistory, 4);
    weir_execution_destroy(&execution);
}

static void test_late_and_repeated_reports_change_nothing(void **state)
{
    weir_execution *execution = make();
    (void)state;

    /* FINISHED overtakes what should come before it */
    assert_true(weir_execution_move_task(execution, 0, 1, WEIR_TASK_FINISHED));
    uint64_t version = execution->version;
    assert_false(weir_execution_move_task(execution, 0, 1, WEIR_TASK_RUNNING));
    assert_false(weir_execution_move_task(execution, 0, 1, WEIR_TASK_FINISHED));
    assert_false(weir_execution_move_task(execution, 0, 1, WEIR_TASK_FAILED));
    assert_false(weir_execution_move_task(execution, 9, 0, WEIR_TASK_FAILED));
    assert_false(weir_execution_move_task(execution, 0, 3, WEIR_TASK_FAILED));
    assert_int_equal(execution->version, version);
    weir_execution_destroy(&execution);
}

static void test_terminal_jobs_stay_terminal(void **state)
{
    weir_execution *execution = make();
    (void)state;

    assert_true(weir_execution_move_job(execution, WEIR_JOB_CREATED, 1));
    assert_false(weir_execution_move_job(execution, WEIR_JOB_FINISHED, 1));
    assert_true(weir_execution_move_job(execution, WEIR_JOB_FAILING, 1));
    assert_true(weir_execution_move_job(execution, WEIR_JOB_FAILED, 1));
    assert_false(weir_execution_move_job(execution, WEIR_JOB_RUNNING, 1));
    assert_false(weir_execution_move_job(execution, WEIR_JOB_CANCELLING, 1));
    weir_execution_destroy(&execution);
}

static void test_the_telling_cause_wins(void **state)
{
    weir_execution *execution = make();
    weir_error lost = {WEIR_EUNAVAILABLE, "lost a connection"};
    weir_error crash = {WEIR_EUSER, "SIGSEGV"};
    weir_error later = {WEIR_EUSER, "something else"};
    (void)state;

    weir_execution_set_error(execution, &lost, WEIR_CAUSE_ECHO);
    weir_execution_set_error(execution, &crash, WEIR_CAUSE_PLAIN);
    weir_execution_set_error(execution, &later, WEIR_CAUSE_PLAIN);
    assert_string_equal(execution->error.text, "SIGSEGV");
    weir_execution_destroy(&execution);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_runs_through),
        cmocka_unit_test(test_late_and_repeated_reports_change_nothing),
        cmocka_unit_test(test_terminal_jobs_stay_terminal),
        cmocka_unit_test(test_the_telling_cause_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
