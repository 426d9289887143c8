/* connectors/catalog.h -- every connector of this build. */
#ifndef CONNECTORS_CATALOG_H
#define CONNECTORS_CATALOG_H

#include "graph/connector.h"

const weir_connector_catalog *weir_connectors(void); /* static; may be used by any thread */

#endif
