# The documents that are made from tables in the code say what the code says.
PORTS=7490-7494
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check 'docs/config.md and docs/connectors.md are what docs/generate writes'
mkdir "$WORK/docs"
bash "$ROOT/docs/generate" "$WEIR" "$WORK/docs"
for name in config connectors; do
    diff -u "$ROOT/docs/$name.md" "$WORK/docs/$name.md" || {
        echo "docs/$name.md is old: run docs/generate" >&2
        exit 1
    }
done
