# The room table in memory, for the scripts that follow it on the command line:
#   room[r], row[r]          r is a room; its place
#   may[r, x]                r may include x, a room or a header
#   library[token, r], known_library[token]

function trim(text)
{
    gsub(/^[ \t]+|[ \t]+$/, "", text)
    return text
}

function complain(place, what)
{
    print place ": " what
    problems++
}

# The room of a path, "" for none. A unit test belongs to the room that it tests.
function room_of(path,    at, r, best)
{
    sub(/^tests\/unit\//, "", path)
    best = ""
    for (r in room)
        if (index(path, r "/") == 1 && length(r) > length(best))
            best = r
    return best
}

FILENAME ~ /rooms\.txt$/ {
    line = $0
    sub(/#.*/, "", line)
    # The colon that ends the left side: "PkgConfig::ZMQ" has others.
    if (!match(line, /:([ \t]|$)/))
        next
    left = substr(line, 1, RSTART - 1)
    right = trim(substr(line, RSTART + 1))
    count = split(right, names, /[ \t]+/)
    if (left ~ /^library /) {
        tokens = split(trim(substr(left, 9)), token, /[ \t]+/)
        for (t = 1; t <= tokens; t++) {
            known_library[token[t]] = right
            for (i = 1; i <= count; i++)
                library[token[t], names[i]] = 1
        }
        next
    }
    room[left] = 1
    row[left] = ++rows
    for (i = 1; i <= count; i++) {
        may[left, names[i]] = 1
        above = names[i] ~ /\.h$/ ? room_of(names[i]) : names[i]
        if (!(above in room))
            complain(FILENAME ":" FNR, "'" left "' names '" names[i] "', which is no room of a row above")
    }
    next
}

END {
    if (problems > 0)
        exit 1
}
