#include "taskmanager/catalog.h"

#include "connectors/catalog.h"

const weir_connector_catalog *weir_taskmanager_catalog(void)
{
    return weir_connectors();
}
