/* operators/null_key.h -- key_by refuses NULL: one check and one text for it, wherever keyed rows
 * are met first. Pure; one call per batch. */
#ifndef OPERATORS_NULL_KEY_H
#define OPERATORS_NULL_KEY_H

#include "graph/graph.h"

/* 0, or WEIR_EUSER when one of the key columns has a NULL: the text names `consumer`, the field and
 * the first such record. The columns are of `schema`. */
int weir_null_key_check(const weir_graph_operator *consumer, const weir_schema *schema,
                        const weir_columns *columns, const uint32_t *keys, uint32_t nkeys,
                        weir_error *err) WEIR_MUST_CHECK;

#endif
