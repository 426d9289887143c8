#include "operators/operators.h"

#include "base/memory.h"
#include "operators/classes.h"

static const weir_operator_factory *factory_of(enum weir_operator_kind kind)
{
    switch (kind) {
    case WEIR_OPERATOR_SOURCE:
        return &weir_source_factory;
    case WEIR_OPERATOR_MAP:
        return &weir_map_factory;
    case WEIR_OPERATOR_FILTER:
        return &weir_filter_factory;
    case WEIR_OPERATOR_PROCESS:
        return &weir_process_factory;
    case WEIR_OPERATOR_COUNT:
        return &weir_count_factory;
    case WEIR_OPERATOR_REDUCE:
        return &weir_reduce_factory;
    case WEIR_OPERATOR_SINK:
        return &weir_sink_factory;
    }
    return NULL;
}

const weir_operator_class *weir_operator_class_of(enum weir_operator_kind kind)
{
    const weir_operator_factory *factory = factory_of(kind);

    return factory ? factory->vtable : NULL;
}

int weir_operator_new(const weir_operator_context *context, weir_operator **ret)
{
    const weir_operator_factory *factory = factory_of(context->operator_->kind);
    weir_operator *self;

    if (!factory)
        return WEIR_EINVALID;
    self = weir_calloc(1, factory->size);
    if (!self)
        return WEIR_ENO_MEMORY;
    self->vtable = factory->vtable;
    self->context = *context;
    *ret = self;
    return 0;
}

static const char *where_of(const weir_operator *self)
{
    const char *where = self->context.operator_->where;

    return where && *where ? where : "job";
}

static const char *name_of(const weir_operator *self)
{
    const char *name = self->context.operator_->name;

    return name && *name ? name : self->vtable->name;
}

int weir_operator_error(const weir_operator *self, weir_error *err, int code, const char *format,
                        ...)
{
    va_list args;

    if (!err)
        return code;
    va_start(args, format);
    (void)weir_error_vset(err, code, format, args);
    va_end(args);
    return weir_operator_wrap(self, err, code);
}

int weir_operator_wrap(const weir_operator *self, weir_error *err, int code)
{
    if (err)
        (void)weir_error_wrap(err, code, "%s: %s", where_of(self), name_of(self));
    return code;
}

int weir_operator_no_memory(const weir_operator *self, weir_error *err, const char *doing)
{
    return weir_operator_error(
        self, err, WEIR_ENO_MEMORY,
        "out of memory while %s; subtask %u of %u; give the TaskManager more "
        "memory or raise the parallelism",
        doing, self->context.subtask + 1, self->context.parallelism);
}
