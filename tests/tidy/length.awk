# Files of at most 1,000 lines, functions of at most 70, from their first line to the closing brace.
# .clang-format puts a function's braces, and no others, alone into the first column.

function end_file()
{
    if (file != "" && lines > 1000) {
        print file ":1: the file has " lines " lines; 1000 are the most"
        problems++
    }
}

FNR == 1 {
    end_file()
    file = FILENAME
    start = body = 0
    fresh = 1
}

{
    lines = FNR
}

/^[A-Za-z_]/ {
    if (fresh)
        start = FNR
    fresh = 0
}

/^\{$/ {
    body = 1
}

/^\}$/ {
    if (body && FNR - start + 1 > 70) {
        print FILENAME ":" start ": the function has " FNR - start + 1 " lines; 70 are the most"
        problems++
    }
    body = 0
}

# What follows these lines begins something new.
/^$/ || /^[^ \t].*;$/ || /^\}/ || /^#/ || /\*\/$/ {
    fresh = 1
}

END {
    end_file()
    if (problems > 0)
        exit 1
}
