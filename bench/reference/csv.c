/* csv.c -- orders in, large orders out, written by hand: what a stateless pipeline over csv is
 * compared with. bench/orders_job.c is the same as a job, and both write the same bytes.
 *
 *   reference_csv INPUT OUTPUT
 *
 * Every line is id (bigint), customer (string), product (string), price (double), quantity
 * (integer) and at (timestamp with milliseconds). All six are read as what they are, and a line
 * that is none ends the program. Orders of 50 or more go on, without the product, each value
 * written anew. One thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK_SIZE (256u << 10) /* of one read and, about, of one write */
#define LINE_SIZE  (64u << 10)  /* the longest line */
#define SLACK      64u          /* bytes that may be read behind a block's end */

typedef struct text {
    const char *p;
    size_t size;
} text;

typedef struct order {
    int64_t id;
    text customer, product;
    double price;
    int32_t quantity;
    int64_t at; /* milliseconds since 1970 */
} order;

static char input[LINE_SIZE + BLOCK_SIZE + SLACK], output[BLOCK_SIZE + 2 * LINE_SIZE];
static char unquoted[2 * LINE_SIZE]; /* the strings of a line that held doubled quotes */
static size_t unquoted_size;

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

static const char pairs[] = "0001020304050607080910111213141516171819"
                            "2021222324252627282930313233343536373839"
                            "4041424344454647484950515253545556575859"
                            "6061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

static void fail(const char *what)
{
    fprintf(stderr, "reference_csv: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void bad_line(const char *line, const char *end)
{
    fprintf(stderr, "reference_csv: a line is no order: %.*s\n", (int)(end - line), line);
    exit(1);
}

/* ---- reading values: each stops behind the last byte that belongs to it ---- */

static inline unsigned digit_of(char c)
{
    return (unsigned)(unsigned char)c - '0';
}

static inline const char *skip_spaces(const char *p)
{
    while (__builtin_expect(*p == ' ' || *p == '\t', 0))
        p++;
    return p;
}

static inline const char *read_int(const char *p, int64_t *ret)
{
    bool negative = *p == '-';
    const char *start = p += *p == '-' || *p == '+';
    uint64_t value = 0;

    for (unsigned digit; (digit = digit_of(*p)) <= 9; p++)
        value = value * 10 + digit;
    if (p == start || p - start > 18)
        return NULL;
    *ret = negative ? -(int64_t)value : (int64_t)value;
    return p;
}

/* Exact for up to 15 digits: both operands of the division are, so it rounds correctly. What is
 * longer is read by the C library. */
static inline const char *read_double(const char *p, double *ret)
{
    const char *start = p, *point = NULL, *first;
    uint64_t mantissa = 0;
    char *end;

    first = p += *p == '-' || *p == '+';
    for (unsigned digit; (digit = digit_of(*p)) <= 9; p++)
        mantissa = mantissa * 10 + digit;
    if (*p == '.') {
        point = ++p;
        for (unsigned digit; (digit = digit_of(*p)) <= 9; p++)
            mantissa = mantissa * 10 + digit;
    }
    if (p - first > 16 || *p == 'e' || *p == 'E') {
        *ret = strtod(start, &end);
        return end == start ? NULL : end;
    }
    if (p - first <= (point != NULL))
        return NULL;
    *ret = (double)mantissa;
    if (point != NULL)
        *ret /= powers[p - point];
    if (*start == '-')
        *ret = -*ret;
    return p;
}

static inline unsigned two(const char *p, unsigned *bad)
{
    unsigned high = digit_of(p[0]), low = digit_of(p[1]);

    *bad |= (high > 9) | (low > 9);
    return high * 10 + low;
}

static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* YYYY-MM-DD hh:mm:ss.fff */
static inline const char *read_time(const char *p, const char *end, int64_t *ret)
{
    static const unsigned char days[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned bad = 0, year, month, day, hour, minute, second, ms = 0, unit = 100;

    if (end - p < 19 || p[4] != '-' || p[7] != '-' || (p[10] != ' ' && p[10] != 'T') ||
        p[13] != ':' || p[16] != ':')
        return NULL;
    year = two(p, &bad) * 100 + two(p + 2, &bad);
    month = two(p + 5, &bad);
    day = two(p + 8, &bad);
    hour = two(p + 11, &bad);
    minute = two(p + 14, &bad);
    second = two(p + 17, &bad);
    if (bad || month < 1 || month > 12 || day < 1 || day > days[month] || hour > 23 ||
        minute > 59 || second > 59 ||
        (month == 2 && day == 29 && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))))
        return NULL;
    p += 19;
    if (*p == '.')
        for (unsigned digit; (digit = digit_of(*++p)) <= 9; unit /= 10)
            ms += digit * unit;
    *ret = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000 + ms;
    return p;
}

static inline const char *find(const char *p, const char *end, char wanted)
{
#if defined(__SSE2__)
    const __m128i w = _mm_set1_epi8(wanted);

    for (; p < end; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, w));

        if (mask != 0) {
            p += __builtin_ctz(mask);
            return p < end ? p : end;
        }
    }
    return end;
#else
    const char *found = memchr(p, wanted, (size_t)(end - p));

    return found != NULL ? found : end;
#endif
}

static const char *read_quoted(const char *p, const char *end, text *ret)
{
    char *to = unquoted + unquoted_size;
    size_t size = 0;

    for (p++;; p++) {
        const char *quote = find(p, end, '"');

        if (quote == end)
            return NULL;
        if (size == 0 && quote[1] != '"') {
            *ret = (text){p, (size_t)(quote - p)};
            return quote + 1;
        }
        memcpy(to + size, p, (size_t)(quote - p));
        size += (size_t)(quote - p);
        p = quote + 1;
        if (*p != '"') {
            *ret = (text){to, size};
            unquoted_size += size;
            return p;
        }
        to[size++] = '"';
    }
}

static inline const char *read_text(const char *p, const char *end, text *ret)
{
    const char *start = p;

    if (*p == '"')
        return read_quoted(p, end, ret);
    p = find(p, end, ',');
    *ret = (text){start, (size_t)(p - start)};
    return p;
}

/* ---- reading a line ---- */

static inline const char *comma(const char *p)
{
    p = p != NULL ? skip_spaces(p) : NULL;
    return p != NULL && *p == ',' ? p + 1 : NULL;
}

static inline bool read_order(const char *p, const char *end, order *ret)
{
    int64_t quantity = 0;

    unquoted_size = 0;
    p = comma(read_int(skip_spaces(p), &ret->id));
    p = p != NULL ? comma(read_text(p, end, &ret->customer)) : NULL;
    p = p != NULL ? comma(read_text(p, end, &ret->product)) : NULL;
    p = p != NULL ? comma(read_double(skip_spaces(p), &ret->price)) : NULL;
    p = p != NULL ? comma(read_int(skip_spaces(p), &quantity)) : NULL;
    p = p != NULL ? read_time(skip_spaces(p), end, &ret->at) : NULL;
    ret->quantity = (int32_t)quantity;
    return p != NULL && skip_spaces(p) == end && ret->quantity == quantity;
}

/* ---- writing ---- */

static inline char *write_unsigned(char *to, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, pairs + value * 2, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    memcpy(to, digits + at, sizeof digits - at);
    return to + sizeof digits - at;
}

static inline char *write_int(char *to, int64_t value)
{
    if (value < 0)
        *to++ = '-';
    return write_unsigned(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static inline char *write_two(char *to, unsigned value)
{
    memcpy(to, pairs + value * 2, 2);
    return to + 2;
}

/* The shortest text that reads back to the value. */
static inline char *write_double(char *to, double value)
{
    double size = value < 0 ? -value : value;

    for (unsigned places = 0; size < 1e15 && places <= 9; places++) {
        double scaled = (size * powers[places] + 0x1p52) - 0x1p52, back = scaled / powers[places];
        char digits[24];
        size_t n;

        if (back < size || back > size)
            continue;
        n = (size_t)(write_unsigned(digits, (uint64_t)scaled) - digits);
        if (value < 0)
            *to++ = '-';
        if (n <= places) {
            memcpy(to, "0.000000000", 2 + places - n);
            memcpy(to + 2 + places - n, digits, n);
            return to + 2 + places;
        }
        memcpy(to, digits, n - places);
        to += n - places;
        *to++ = '.';
        if (places == 0)
            *to++ = '0';
        memcpy(to, digits + n - places, places);
        return to + places;
    }
    for (int digits = 15;; digits++) {
        int n = snprintf(to, 32, "%.*g", digits, value);

        if (digits == 17 || memcmp(&(double){strtod(to, NULL)}, &value, sizeof value) == 0)
            return to + n;
    }
}

static inline char *write_time(char *to, int64_t at)
{
    int64_t day = at / 86400000 - (at % 86400000 < 0), z = day + 719468;
    unsigned ms = (unsigned)(at - day * 86400000);
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned of_era = (unsigned)(z - era * 146097);
    unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned m = (5 * of_year + 2) / 153, month = m < 10 ? m + 3 : m - 9;
    unsigned year = (unsigned)(year_of_era + era * 400 + (month <= 2));

    to = write_two(write_two(to, year / 100 % 100), year % 100);
    *to++ = '-';
    to = write_two(to, month);
    *to++ = '-';
    to = write_two(to, of_year - (153 * m + 2) / 5 + 1);
    *to++ = ' ';
    to = write_two(to, ms / 3600000);
    *to++ = ':';
    to = write_two(to, ms / 60000 % 60);
    *to++ = ':';
    to = write_two(to, ms / 1000 % 60);
    *to++ = '.';
    *to++ = (char)('0' + ms / 100 % 10);
    return write_two(to, ms % 100);
}

static char *write_quoted(char *to, text value)
{
    *to++ = '"';
    for (size_t i = 0; i < value.size; i++) {
        if (value.p[i] == '"')
            *to++ = '"';
        *to++ = value.p[i];
    }
    *to++ = '"';
    return to;
}

static inline char *write_text(char *to, text value)
{
    for (size_t i = 0; i < value.size; i++) {
        char c = value.p[i];

        if (c == ',' || c == '"' || c == '\n' || c == '\r')
            return write_quoted(to, value);
        to[i] = c;
    }
    return to + value.size;
}

static inline char *write_order(char *to, const order *from)
{
    to = write_int(to, from->id);
    *to++ = ',';
    to = write_text(to, from->customer);
    *to++ = ',';
    to = write_double(to, from->price);
    *to++ = ',';
    to = write_int(to, from->quantity);
    *to++ = ',';
    to = write_time(to, from->at);
    *to++ = '\n';
    return to;
}

/* ---- the files ---- */

static void write_all(int file, const char *p, const char *end)
{
    while (p < end) {
        ssize_t n = write(file, p, (size_t)(end - p));

        if (n < 0)
            fail("output");
        p += n;
    }
}

/* Returns where the line begins that has no end yet; *to moves on. */
static size_t convert(int file, size_t size, bool last, char **to)
{
    const char *line = input, *stop = input + size;
    order o;

    while (line < stop) {
        const char *end = find(line, stop, '\n'), *next = end + 1;

        if (end == stop && !last)
            break;
        if (end > line && end[-1] == '\r')
            end--;
        if (end > line && !read_order(line, end, &o))
            bad_line(line, end);
        if (end > line && o.quantity >= 50)
            *to = write_order(*to, &o);
        if (*to - output >= (ptrdiff_t)BLOCK_SIZE) {
            write_all(file, output, *to);
            *to = output;
        }
        line = next;
    }
    return line < stop ? (size_t)(line - input) : size;
}

int main(int argc, char **argv)
{
    size_t held = 0;
    char *to = output;
    struct timespec cpu;
    int from, into;

    if (argc != 3) {
        fprintf(stderr, "usage: reference_csv INPUT OUTPUT\n");
        return 2;
    }
    from = open(argv[1], O_RDONLY | O_CLOEXEC);
    into = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (from < 0 || into < 0)
        fail(from < 0 ? argv[1] : argv[2]);
    for (;;) {
        ssize_t n = read(from, input + held, BLOCK_SIZE);
        size_t size, done;

        if (n < 0 || held >= LINE_SIZE)
            fail(argv[1]);
        size = held + (size_t)n;
        memset(input + size, 0, SLACK);
        done = convert(into, size, n == 0, &to);
        if (n == 0)
            break;
        held = size - done;
        memmove(input, input + done, held);
    }
    write_all(into, output, to);
    if (close(into) != 0)
        fail(argv[2]);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    printf("cpu_us %llu\n",
           (unsigned long long)cpu.tv_sec * 1000000 + (unsigned long long)cpu.tv_nsec / 1000);
    return 0;
}
