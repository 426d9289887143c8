# Calls that the style does without. Comments and the contents of literals do not count, except for
# marks of unfinished work, which may stand nowhere.

function complain(what)
{
    print FILENAME ":" FNR ": " what
    problems++
}

# The line without comments and literals; `open` says that a comment goes on.
function strip(line,    out, at)
{
    out = ""
    for (;;) {
        if (open) {
            at = index(line, "*/")
            if (at == 0)
                return out
            line = substr(line, at + 2)
            open = 0
        }
        if (!match(line, /\/\*|\/\/|"|'/))
            return out line
        out = out substr(line, 1, RSTART - 1)
        if (RLENGTH == 2) {
            if (substr(line, RSTART, 2) == "//")
                return out
            line = substr(line, RSTART + 2)
            open = 1
            continue
        }
        line = substr(line, RSTART)
        if (substr(line, 1, 1) == "\"")
            at = match(line, /^"([^"\\]|\\.)*"/)
        else
            at = match(line, /^'([^'\\]|\\.)*'/)
        if (at == 0)
            return out
        out = out "\"\""
        line = substr(line, RLENGTH + 1)
    }
}

# Calls in `code` of functions named in the set; members (x->free, x.free) are other things.
function find(code, set, why,    before, name)
{
    while (match(code, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
        before = substr(code, 1, RSTART - 1)
        name = substr(code, RSTART, RLENGTH - 1)
        code = substr(code, RSTART + RLENGTH)
        sub(/[ \t]+$/, "", name)
        if (index(set, " " name " ") > 0 && before !~ /(->|\.|\*)$/)
            complain(name "(; " why)
    }
}

BEGIN {
    unsafe = " strcpy strcat stpcpy sprintf vsprintf gets strtok atoi atol atoll atof alloca rand srand system tmpnam mktemp "
    pauses = " sleep usleep nanosleep clock_nanosleep "
    network = " zmsg_decode "
    heap = " malloc calloc realloc reallocarray free strdup strndup aligned_alloc posix_memalign asprintf vasprintf "
    output = " printf vprintf puts putchar "
}

FNR == 1 {
    open = 0
    in_room = FILENAME !~ /^(tests|bench|examples|include)\//
    allocates = FILENAME == "base/memory.c" || !in_room
    prints = FILENAME ~ /^cli\// || !in_room
}

/(^|[^A-Za-z0-9_])(TODO|FIXME|XXX)([^A-Za-z0-9_]|$)/ {
    complain("a mark of unfinished work; finish it, or say why it is right as it is")
}

{
    code = strip($0)
    find(code, unsafe, "banned: unbounded, unsafe or not repeatable")
    find(code, pauses, "banned: wait for an event or a timer")
    find(code, network, "banned: it asserts on bytes from the network")
    if (!allocates)
        find(code, heap, "allocate through base/memory.h")
    if (!prints)
        find(code, output, "only the command line prints; libraries return errors, daemons log")
}

END {
    if (problems > 0)
        exit 1
}
