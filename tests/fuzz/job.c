/* job.c -- the job that the target of the task runner deploys: rows that are made up, counted by
 * key in two subtasks that exchange them, printed. */
#include <weir/weir.h>

WEIR_RECORD(word, (string, text), (bigint, n));
WEIR_RECORD(count, (string, text), (bigint, times));

WEIR_JOB("words")
{
    weir_stream *words = weir_source(env, "datagen:?rows=60&keys=5&length=20", word);

    weir_sink(weir_count(weir_key_by(words, "text"), count), "print:");
}
