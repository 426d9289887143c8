/* taskmanager/catalog.h -- the connectors that the task runners of this build have; for those who
 * plan jobs and document connectors without linking the connectors themselves. */
#ifndef TASKMANAGER_CATALOG_H
#define TASKMANAGER_CATALOG_H

#include "graph/connector.h"

const weir_connector_catalog *weir_taskmanager_catalog(void); /* static; any thread */

#endif
