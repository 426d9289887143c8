#include "cli/connect.h"

#include "base/log.h"
#include "cli/settings.h"

#include <signal.h>
#include <string.h>

int weir_connect_endpoint(const weir_arguments *arguments, weir_config *config,
                          char out[WEIR_ENDPOINT_MAX], weir_error *err)
{
    const char *named = weir_arguments_get(arguments, "dispatcher");
    weir_cluster_context context;

    if (named != NULL) {
        int rc = weir_endpoint_parse(named, out, err);
        return rc == 0 ? 0 : weir_error_wrap(err, rc, "-m");
    }
    int rc = weir_cluster_context_load(&context, err);
    if (rc != 0)
        return rc;
    memcpy(out, context.endpoint, sizeof context.endpoint);
    if (context.cluster[0] == '\0' || weir_config_is_set(config, "cluster.id"))
        return 0;
    return weir_config_set(config, "cluster.id", context.cluster, "context", err);
}

void weir_session_setup_log(const weir_config *config)
{
    enum weir_log_level level = WEIR_LOG_OFF;

    if (weir_config_is_set(config, "env.log.level") &&
        weir_log_parse_level(weir_config_string(config, "env.log.level"), &level, NULL) != 0)
        level = WEIR_LOG_INFO;
    weir_log_setup("weir", level);
}

int weir_session_open(const weir_arguments *arguments, weir_session *ret, weir_error *err)
{
    memset(ret, 0, sizeof *ret);
    signal(SIGPIPE, SIG_IGN);
    int rc = weir_settings_load(arguments, &ret->config, err);
    if (rc == 0)
        rc = weir_connect_endpoint(arguments, ret->config, ret->endpoint, err);
    if (rc == 0) {
        weir_session_setup_log(ret->config);
        rc = weir_client_open(ret->config, ret->endpoint, &ret->client, err);
    }
    if (rc != 0)
        weir_session_close(ret);
    return rc;
}

void weir_session_close(weir_session *session)
{
    weir_client_close(&session->client);
    weir_config_destroy(&session->config);
}
