/* graph/module.h -- a job's shared object: the check before loading, and the loading.
 *
 * weir_module_check reads the ELF note without running any code (no dlopen); daemons may call it.
 * weir_module_load runs the module's constructors: only processes that may die do it. */
#ifndef GRAPH_MODULE_H
#define GRAPH_MODULE_H

#include "base/error.h"

/* Its table pointer serves jobs; here it stays unused. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#include <weir/weir.h>
#pragma GCC diagnostic pop

typedef struct weir_loaded_module {
    void *handle; /* dlopen's */
    const weir_module *module;
} weir_loaded_module;

/* WEIR_EVERSION with both versions and what to do; WEIR_EINVALID when it is no job. Never trusts
 * the file: every offset is checked. */
int weir_module_check(const char *path, uint32_t *ret_abi, weir_error *err) WEIR_MUST_CHECK;
int weir_module_load(const char *path, weir_loaded_module *ret, weir_error *err) WEIR_MUST_CHECK;
void weir_module_unload(weir_loaded_module *module);

#endif
