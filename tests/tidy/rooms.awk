# Every #include of our own against the room table, and of libraries against their owners.

/^[ \t]*#[ \t]*include[ \t]*["<]/ {
    header = $0
    sub(/^[^"<]*["<]/, "", header)
    sub(/[">].*/, "", header)
    place = FILENAME ":" FNR
    from = room_of(FILENAME)
    # A program that a benchmark is compared with has nothing of ours.
    if (header in known_library && FILENAME !~ /^bench\/reference\//) {
        if (!((header, from) in library))
            complain(place, "<" header "> belongs to " known_library[header] " alone")
        next
    }
    # Tests, benches and examples may include anything of ours; nothing includes them.
    if (FILENAME ~ /^(tests|bench|examples)\//)
        next
    first = header
    if (!sub(/\/.*/, "", first)) {
        if ($0 ~ /"/)
            complain(place, "\"" header "\" has no room; write \"room/" header "\"")
        next
    }
    to = first == "weir" ? "include/weir" : (first in room) ? first : "engine/" first
    full = to substr(header, length(first) + 1)
    if (!(to in room)) {
        if ($0 ~ /"/)
            complain(place, "\"" header "\" lies in no room")
        next
    }
    if (to != from && !((from, to) in may) && !((from, full) in may))
        complain(place, "'" from "' may not include from '" to "'; see tests/tidy/rooms.txt")
}
