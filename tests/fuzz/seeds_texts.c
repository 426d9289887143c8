/* tests/fuzz/seeds_texts.c -- seeds of the targets that read text. */
#include "seeds.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define NUL "\0"

static void number(char out[16], size_t i)
{
    snprintf(out, 16, "%02zu", i);
}

static void list(const char *target, int first, const char *const *texts)
{
    char name[16];
    static size_t count;
    for (size_t i = 0; texts[i] != NULL; i++) {
        number(name, count++);
        fuzz_seed_text(target, name, first, texts[i]);
    }
}

static void seed_units(void)
{
    static const char *const durations[] = {"500 ms",    "3 s",          "2h", "1 min",
                                            "999999 ns", "15 \xC2\xB5s", NULL};
    static const char *const sizes[] = {"64mb", "1 KiB", "17", "3 tb", NULL};
    static const char *const numbers[] = {"-12", "+9223372036854775807", "1.5e3", ".5", NULL};
    static const char *const ids[] = {
        "0123456789abcdef0123456789ABCDEF",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL};
    static const char *const words[] = {"RUNNING", "debug", "True", NULL};
    static const char *const values[] = {"50100-50200", "0", "STREAMING", "10 min", "true", NULL};

    list("units", 0, durations);
    list("units", 1, sizes);
    list("units", 2, numbers);
    list("units", 3, numbers);
    list("units", 4, ids);
    list("units", 5, words);
    list("units", 6, values);
}

static void seed_schemas(void)
{
    static const char *const texts[] = {
        "name string, n bigint not null, price decimal(10, 2)",
        "a array<int not null>, m map<string, double>, r row<x timestamp(6), y bytes not null>",
        "`odd ``name` char(3), t timestamp(3) with local time zone, i interval day to second",
        "r row(a varchar(5), b row<c binary(2), d date, e time>), f float, g boolean null",
        "x double precision, y dec(38,38), z interval year to month, s smallint, t tinyint",
        NULL};
    list("schema", -1, texts);
}

static void seed_urls(void)
{
    static const char *const sources[] = {
        "file:/tmp/in.csv?format=csv&delimiter=%3B&quote='&null=NULL&on-error=skip&header=true",
        "filesystem:/data/*.txt?split-size=1kb&max-line-size=32mb",
        "datagen:?rows=100&rate=10&seed=7&min=-5&max=5&keys=3&length=8&start=0&step=1%20s",
        "datagen:?sequence=id",
        "socket://localhost:9000?connect-timeout=1s",
        "stdin:?format=line",
        NULL};
    static const char *const sinks[] = {"print:",
                                        "print:?format=json",
                                        "blackhole:",
                                        "file:/tmp/out?format=csv&overwrite=true&changelog=true",
                                        "socket://[::1]:9000?format=json",
                                        NULL};
    char name[16];
    for (size_t i = 0; sources[i] != NULL; i++) {
        number(name, i);
        fuzz_seed_bytes("url", name, i % 2 == 0 ? "\0\0" : "\0\4", 2, sources[i],
                        strlen(sources[i]));
    }
    for (size_t i = 0; sinks[i] != NULL; i++) {
        number(name, 50 + i);
        fuzz_seed_bytes("url", name, "\1\0", 2, sinks[i], strlen(sinks[i]));
    }
}

static void seed_lines(void)
{
    static const struct {
        const char *head, *text; /* schema, format, delimiter, quote, null, bytes at a time */
    } seeds[] = {
        {"\0\0\0\0\0\5", "1,ann\n2,\"b, \"\"c\"\"\"\n3,\n"},
        {"\0\1\1\1\1\3", "1;'a\nb'\n-7;NULL\n"},
        {"\0\2\0\0\2\7", "1,x\nno,y\n3,\\N\n"},
        {"\0\10\0\0\0\7", "1,x\n1,a line of more than twenty bytes\n3,z\n"},
        {"\0\13\0\0\0\7", "1,\"a line\nof more than twenty\nbytes\"\n3,z\n"},
        {"\1\0\0\0\0\1", "true,false\nT,0\n1,f\n"},
        {"\2\0\0\0\0\11", "1,-2,3,4.5,-6e7,8.9000,abc,d,ff00,0a,2026-08-21,10:42:11.123,2026-08-21 "
                          "10:42:11,2026-08-21T10:42:11.123456789+02:00,14,15\n"
                          ",1,,2,,,,,,,,00:00,,,,\n"},
        {"\3\20\0\0\0\2", "a line\r\nanother\n\nlast"},
        {"\3\44\0\0\0\2", "head\r\nanother\n\nlast"},
        {"\3\0\3\2\4\2", "0\n\\0\\\n-1"},
    };
    char name[16];
    for (size_t i = 0; i < WEIR_COUNT(seeds); i++) {
        number(name, i);
        fuzz_seed_bytes("lines", name, seeds[i].head, 6, seeds[i].text, strlen(seeds[i].text));
    }
}

static void seed_values(void)
{
    static const struct {
        int kind, precision, scale;
        const char *text;
    } seeds[] = {
        {0, 0, 0, "-9223372036854775808"},
        {1, 0, 0, "3.4028235e38"},
        {1, 0, 0, "0.1"},
        {2, 0, 0, "1.7976931348623157e308"},
        {2, 0, 0, "-0.0"},
        {2, 0, 0, "NaN"},
        {2, 0, 0, "123456.789"},
        {3, 37, 10, "-12345678.0123456789"},
        {3, 4, 2, "999.99"},
        {4, 0, 0, "2024-02-29"},
        {4, 0, 0, "-0044-03-15"},
        {5, 0, 0, "23:59:59.999"},
        {6, 1, 0, "2026-08-21 10:42:11.123"},
        {7, 3, 0, "1677-09-21T00:12:43.145224192Z"},
        {7, 2, 0, "2026-08-21 10:42:11.123456-11:30"},
    };
    char name[16];
    for (size_t i = 0; i < WEIR_COUNT(seeds); i++) {
        uint8_t head[19] = {(uint8_t)seeds[i].kind, (uint8_t)seeds[i].precision,
                            (uint8_t)seeds[i].scale, (uint8_t)(17 * i), (uint8_t)(29 * i)};
        number(name, i);
        fuzz_seed_bytes("values", name, head, sizeof head, seeds[i].text, strlen(seeds[i].text));
    }
}

static void seed_configs(void)
{
    static const char *const yaml[] = {
        "# a cluster\ncluster.id: c1\nparallelism:\n  default: 4\ntaskmanager:\n"
        "  numberOfTaskSlots: 2\n  data.port: 50100-50200\n  memory:\n    network.size: 64mb\n",
        "execution.runtime-mode: streaming\nheartbeat.interval: '10 s'\nenv:\n",
        "cluster.id: [a, b]\nrpc: {ask.timeout: 3 s}\nunknown.key: 1\nparallelism.default: x\n",
        "cluster.id: \"a\\u00e4\\tb\"\n",
        "a: &x b\nc: *x\n---\nd: e\n",
        NULL};
    static const char sets[] = "\1cluster.id" NUL "c2" NUL "parallelism.default" NUL "8" NUL
                               "rpc.ask.timeout" NUL "3 s" NUL;
    static const char environment[] =
        "\2WEIR_CONF_PARALLELISM_DEFAULT=3" NUL "WEIR_CONF_CLUSTER_ID=x" NUL "PATH=/bin" NUL;

    list("config", 0, yaml);
    fuzz_seed_bytes("config", "set", sets, sizeof sets - 1, "", 0);
    fuzz_seed_bytes("config", "environment", environment, sizeof environment - 1, "", 0);
}

static void seed_commands(void)
{
#define LINE(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
    static const struct {
        const char *text;
        size_t size;
    } lines[] = {LINE("job.c" NUL "-p" NUL "4" NUL "--set" NUL "input=file:/x" NUL),
                 LINE("-D" NUL "parallelism.default=2" NUL "--name=words" NUL "job.so" NUL),
                 LINE("tcp://localhost:6120" NUL),
                 LINE("[::1]:7000" NUL),
                 LINE("-o" NUL "json" NUL "-h" NUL),
                 LINE("--slots" NUL "2" NUL "--dir" NUL "/tmp/x" NUL "--" NUL "-x" NUL)};
#undef LINE
    char name[16];
    for (uint8_t verb = 0; verb < 24; verb++) {
        size_t i = verb % WEIR_COUNT(lines);
        number(name, verb);
        fuzz_seed_bytes("arguments", name, &verb, 1, lines[i].text, lines[i].size);
    }
}

static void seed_home(void)
{
    static const char hex[] = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
    char text[512];

    fuzz_seed_text("home", "context", 0,
                   "endpoint: tcp://127.0.0.1:6120\ndirectory: /tmp/c\ncluster: c1\n");
    fuzz_seed_text("home", "pid", 1, "4711 1234567\n");
    fuzz_seed_text("home", "yaml", 2, "cluster.id: \"c1\"\ndispatcher.rpc.port: \"6120\"\n");
    fuzz_seed_text("home", "value", 3, "/tmp/\xC3\xA4 \"x\" \\ \xE2\x80\xA8");
    snprintf(text, sizeof text, "# mine\nweir-key 1\npublic %s\nsecret %s\n", hex, hex);
    fuzz_seed_text("home", "key", 4, text);
    fuzz_seed_text("home", "public", 5, hex);
    snprintf(text, sizeof text, "# who\nclient %s ann's laptop\ntaskmanager %s\njobmanager %s x\n",
             hex, hex, hex);
    fuzz_seed_text("home", "allow", 6, text);
}

static void seed_shown(void)
{
    static const char text[] = "a line\nwith \xC3\xA4, \x80 and \x1b\nlast";
    for (uint8_t which = 0; which < 5; which++) {
        const uint8_t head[] = {which, 12};
        char name[16];
        number(name, which);
        fuzz_seed_bytes("text", name, head, sizeof head, text, sizeof text - 1);
    }
    fuzz_seed_bytes("text", "word", "\2\0", 2, "paralellism", 11);
}

void fuzz_seed_texts(void)
{
    seed_units();
    seed_schemas();
    seed_urls();
    seed_lines();
    seed_values();
    seed_configs();
    seed_commands();
    seed_home();
    seed_shown();
}
