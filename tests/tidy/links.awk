# weir_room(...) and weir_proto(...) of CMakeLists.txt against the room table, both ways.

function finish(call, place,    words, count, i, name, mode, key)
{
    count = split(call, words, /[ \t()]+/)
    name = words[2]
    seen[name] = 1
    if (!(name in room)) {
        complain(place, "'" name "' is no room of tests/tidy/rooms.txt")
        return
    }
    for (i = 3; i <= count; i++) {
        if (words[i] == "")
            continue
        if (words[i] == "ROOMS" || words[i] == "LIBS")
            mode = words[i]
        else if (mode == "ROOMS") {
            links[name, words[i]] = 1
            if (!((name, words[i]) in may))
                complain(place, "'" name "' links '" words[i] "', which its row does not allow")
        } else if (mode == "LIBS" && !((words[i], name) in library))
            complain(place, "'" name "' links " words[i] ", which belongs to '" \
                     known_library[words[i]] "'")
    }
    # What it may include it must link, or the include compiles and the link fails one day.
    for (key in may) {
        split(key, words, SUBSEP)
        if (words[1] == name && words[2] != "include/weir" && words[2] !~ /\.h$/ && !(key in links))
            complain(place, "'" name "' does not link '" words[2] "', which its row allows")
    }
}

/^[ \t]*weir_(room|proto)[ \t]*\(/ {
    call = ""
    start = FILENAME ":" FNR
}

start != "" {
    call = call " " trim($0)
    if ($0 ~ /\)/) {
        finish(trim(call), start)
        start = ""
    }
}

END {
    for (r in room)
        if (r != "include/weir" && !(r in seen))
            complain("CMakeLists.txt:1", "room '" r "' is not built")
    if (problems > 0)
        exit 1
}
