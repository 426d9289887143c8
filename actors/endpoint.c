#include "actors/endpoint.h"

#include "actors/lookup.h"

#include <stdio.h>
#include <string.h>

const char *weir_endpoint_of_host(const char *host, int port, char *out, size_t size)
{
    bool needs_brackets = host[0] != '[' && strchr(host, ':') != NULL;
    const char *open = needs_brackets ? "[" : "", *close = needs_brackets ? "]" : "";

    if (port == 0)
        snprintf(out, size, "tcp://%s%s%s", open, host, close);
    else
        snprintf(out, size, "tcp://%s%s%s:%d", open, host, close, port);
    return out;
}

static bool is_wildcard(const char *host)
{
    return strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 ||
           strcmp(host, "[::]") == 0;
}

int weir_endpoint_resolve(const char *endpoint, char *out, size_t size, weir_error *err)
{
    const char *host = strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : "[";
    char name[256], address[WEIR_ADDRESS_MAX];
    size_t length = strcspn(host, ":");
    bool is_name = host[0] != '[' && host[length] == ':' && length < sizeof name;

    if (is_name) {
        memcpy(name, host, length);
        name[length] = '\0';
        is_name = !weir_address_is_numeric(name);
    }
    if (!is_name) {
        snprintf(out, size, "%s", endpoint);
        return 0;
    }
    int rc = weir_address_look_up(name, address, err);
    if (rc == 0)
        snprintf(out, size, "tcp://%s%s", address, host + length);
    return rc;
}

int weir_endpoint_to_bind(const weir_config *config, const char *bind_key, char *out, size_t size,
                          weir_error *err)
{
    const char *host = weir_config_string(config, bind_key);
    char address[WEIR_ADDRESS_MAX];

    if (is_wildcard(host) || weir_address_is_numeric(host)) {
        weir_endpoint_of_host(host, 0, out, size);
        return 0;
    }
    weir_error error = WEIR_ERROR_INIT;
    if (weir_address_look_up(host, address, &error) != 0)
        return weir_error_set(err, WEIR_EINVALID, "%s: %s: %s; give an address of this host",
                              weir_config_origin(config, bind_key), bind_key, error.text);
    weir_endpoint_of_host(address, 0, out, size);
    return 0;
}

int weir_endpoint_host(const weir_config *config, const char *host_key, const char *bind_key,
                       const char **ret, weir_error *err)
{
    const char *key = weir_config_is_set(config, host_key) ? host_key : bind_key;
    const char *host = weir_config_string(config, key);

    if (is_wildcard(host))
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: %s: '%s' means every address of this host, and others must be "
                              "told one; set %s to the name or address under which they reach it",
                              weir_config_origin(config, key), key, host, host_key);
    *ret = host;
    return 0;
}
