#include "connectors/catalog.h"

#include "connectors/blackhole/blackhole.h"
#include "connectors/datagen/datagen.h"
#include "connectors/filesystem/filesystem.h"
#include "connectors/socket/socket.h"
#include "connectors/standard/standard.h"

static const weir_connector *const connectors[] = {
    &weir_filesystem_connector,
    &weir_stdin_connector,
    &weir_socket_connector,
    &weir_datagen_connector,
    &weir_print_connector,
    &weir_blackhole_connector,
    NULL,
};

static const weir_connector_catalog catalog = {connectors};

const weir_connector_catalog *weir_connectors(void)
{
    return &catalog;
}
