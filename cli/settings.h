/* cli/settings.h -- the configuration of a command: defaults, then a file (--config, else
 * $WEIR_CONFIG, else weir.yaml in the user's directory where there is one), then the environment,
 * then -D and the options that stand for keys. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/options.h"
#include "cli/arguments.h"

int weir_settings_load(const weir_arguments *arguments, weir_config **ret,
                       weir_error *err) WEIR_MUST_CHECK;
/* Does this key say something about a job, rather than about the processes of a cluster? */
bool weir_settings_is_of_job(const char *key);

#endif
