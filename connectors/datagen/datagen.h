/* datagen/datagen.h -- a source of made-up rows, for demonstrations and measurements. The option
 * table stands in datagen.c. */
#ifndef CONNECTORS_DATAGEN_DATAGEN_H
#define CONNECTORS_DATAGEN_DATAGEN_H

#include "graph/connector.h"

/* With `rows` a subtask makes its range of the rows, without every parallelism-th one, for ever. */
extern const weir_connector weir_datagen_connector;

#endif
