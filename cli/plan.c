/* cli/plan.c -- `weir plan`: what would run, without running it. */
#include "cli/verbs.h"

#include "cli/job_source.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "graph/plan_text.h"

int weir_verb_plan(const weir_arguments *arguments)
{
    static int (*const print[])(const weir_graph *, const weir_task_plan *,
                                weir_buffer *) = {weir_plan_text, weir_plan_json, weir_plan_dot};
    weir_error error = WEIR_ERROR_INIT;
    weir_job_source source = {.shown = NULL};
    weir_config *config = NULL;
    weir_buffer text = WEIR_BUFFER_INIT;
    int format;
    int rc = weir_arguments_format(arguments, "text|json|dot", &format, &error);

    if (rc == 0)
        rc = weir_settings_load(arguments, &config, &error);
    if (rc == 0) /* as a local job: a plan may use stdin: and print: */
        rc = weir_job_source_open(arguments, config, true, &source, &error);
    if (rc == 0) {
        rc = print[format](source.job.graph, source.job.plan, &text);
        if (rc != 0)
            weir_error_set(&error, rc, "no memory for the plan");
        else if (text.size > 0 && text.data[text.size - 1] != '\n')
            weir_buffer_putc(&text, '\n');
    }
    weir_job_source_close(&source);
    weir_config_destroy(&config);
    if (rc == 0)
        return weir_output_text(&text);
    weir_buffer_deinit(&text);
    return weir_message_error(&error);
}
