#include "serve/http/head.h"
#include "base/text.h"

#include <string.h>
#include <strings.h>

/* What is read, up to a line's end; `why` and `status` say what was wrong first. */
typedef struct {
    http_head_t head;
    bool has_host, has_length, has_coding;
    int status;
    const char *why;
} reading_t;

bool http_text_is(http_text_t text, const char *word)
{
    return text.at && text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

static bool refuse(reading_t *r, int status, const char *why)
{
    if (r->status == 0) {
        r->status = status;
        r->why = why;
    }
    return false;
}

/* RFC 9110, 5.6.2. */
static bool is_token_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(http_text_t text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_byte((unsigned char)text.at[i]))
            return false;
    return text.len > 0;
}

static http_text_t trim(http_text_t text)
{
    while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = (http_text_t){text.at + 1, text.len - 1};
    while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* The part before `separator`, which is taken off *rest with it. */
static http_text_t split(http_text_t *rest, char separator)
{
    const char *end = memchr(rest->at, separator, rest->len);
    http_text_t part = {rest->at, end ? (size_t)(end - rest->at) : rest->len};
    size_t taken = end ? part.len + 1 : part.len;
    *rest = (http_text_t){rest->at + taken, rest->len - taken};
    return part;
}

static const char *const method_words[] = {"GET", "HEAD", "POST", "PUT", "PATCH"};

const char *http_method_name(http_method_t method)
{
    return method_words[method];
}

static bool read_method(reading_t *r, http_text_t word)
{
    for (size_t i = 0; i < sizeof method_words / sizeof method_words[0]; i++)
        if (text_is(word.at, word.len, method_words[i])) {
            r->head.method = (http_method_t)i;
            return true;
        }
    return is_token(word) ? refuse(r, 405, "this method is not served")
                          : refuse(r, 400, "the request line does not begin with a method");
}

static bool read_target(reading_t *r, http_text_t target)
{
    if (target.len == 0 || target.at[0] != '/')
        return refuse(r, 400, "the target is no path");
    for (size_t i = 0; i < target.len; i++)
        if (target.at[i] <= ' ' || target.at[i] > '~' || target.at[i] == '#')
            return refuse(r, 400, "the target has a byte that must be percent-encoded");
    const char *mark = memchr(target.at, '?', target.len);
    r->head.path = (http_text_t){target.at, mark ? (size_t)(mark - target.at) : target.len};
    if (mark)
        r->head.query = (http_text_t){mark + 1, target.len - r->head.path.len - 1};
    return true;
}

static bool read_request_line(reading_t *r, http_text_t line)
{
    http_text_t rest = line, method = split(&rest, ' '), target = split(&rest, ' ');
    if (!read_method(r, method) || !read_target(r, target))
        return false;
    if (rest.len != 8 || memcmp(rest.at, "HTTP/", 5) != 0)
        return refuse(r, 400, "the request line does not end with HTTP/1.1");
    return memcmp(rest.at, "HTTP/1.1", 8) == 0 || refuse(r, 505, "HTTP/1.1 is spoken here");
}

static bool read_length(reading_t *r, http_text_t value)
{
    uint64_t length = 0;
    if (r->has_length)
        return refuse(r, 400, "Content-Length comes twice");
    if (value.len == 0 || value.len > 18)
        return refuse(r, 400, "Content-Length is no number");
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return refuse(r, 400, "Content-Length is no number");
        length = length * 10 + (uint64_t)(value.at[i] - '0');
    }
    r->has_length = true;
    r->head.length = length;
    return true;
}

static bool read_coding(reading_t *r, http_text_t value)
{
    if (r->has_coding)
        return refuse(r, 400, "Transfer-Encoding comes twice");
    r->has_coding = r->head.is_chunked = true;
    return http_text_is(value, "chunked") || refuse(r, 501, "the only Transfer-Encoding is chunked");
}

static bool read_expect(reading_t *r, http_text_t value)
{
    r->head.wants_continue = true;
    return http_text_is(value, "100-continue") || refuse(r, 417, "the only Expect is 100-continue");
}

static void read_connection(reading_t *r, http_text_t value)
{
    while (value.len > 0)
        if (http_text_is(trim(split(&value, ',')), "close"))
            r->head.wants_close = true;
}

/* Those that come at most once and are kept as they are. */
static bool keep(reading_t *r, http_text_t name, http_text_t value)
{
    const struct {
        const char *name;
        http_text_t *to;
    } kept[] = {{"Host", &r->head.host},
                {"Origin", &r->head.origin},
                {"Content-Type", &r->head.content_type},
                {"Authorization", &r->head.authorization},
                {"Last-Event-ID", &r->head.last_event_id}};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (!http_text_is(name, kept[i].name))
            continue;
        if (kept[i].to->at)
            return refuse(r, 400, "a header that may come once comes twice");
        *kept[i].to = value;
    }
    if (http_text_is(name, "Accept"))
        r->head.accept = value;
    return true;
}

static bool read_field(reading_t *r, http_text_t line)
{
    http_text_t value = line, name = split(&value, ':');
    if (!is_token(name) || name.len == line.len)
        return refuse(r, 400, "a header line is no NAME: VALUE");
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char)value.at[i] < ' ' && value.at[i] != '\t') || value.at[i] == 127)
            return refuse(r, 400, "a header has a control byte");
    value = trim(value);
    if (http_text_is(name, "Content-Length"))
        return read_length(r, value);
    if (http_text_is(name, "Transfer-Encoding"))
        return read_coding(r, value);
    if (http_text_is(name, "Expect"))
        return read_expect(r, value);
    if (http_text_is(name, "Trailer"))
        return refuse(r, 400, "trailers are not taken");
    if (http_text_is(name, "Content-Encoding") && !http_text_is(value, "identity"))
        return refuse(r, 415, "a body is taken as it is: no Content-Encoding");
    if (http_text_is(name, "Connection"))
        read_connection(r, value);
    return keep(r, name, value);
}

/* One line without its end: true when it is whole. A CR or LF alone is refused. */
static bool next_line(reading_t *r, const char *bytes, size_t len, size_t *at, http_text_t *ret)
{
    const char *from = bytes + *at, *end = memchr(from, '\n', len - *at);
    size_t n = end ? (size_t)(end - from) : len - *at;
    const char *cr = memchr(from, '\r', n);
    if (memchr(from, '\0', n))
        return refuse(r, 400, "the head has a NUL byte");
    if (end ? cr != end - 1 : cr && cr != from + n - 1)
        return refuse(r, 400, "a line of the head does not end with CR LF");
    if (!end)
        return false;
    *ret = (http_text_t){from, n - 1};
    *at += n + 1;
    return true;
}

static bool check_whole(reading_t *r)
{
    if (!r->head.host.at || r->head.host.len == 0)
        return refuse(r, 400, "Host is missing");
    if (r->has_length && r->has_coding)
        return refuse(r, 400, "a body has a length or is chunked, not both");
    return true;
}

int http_head_read(const char *bytes, size_t len, http_head_t *ret_head, const char **ret_why)
{
    reading_t r = {0};
    http_text_t line;
    size_t at = 0;
    bool is_whole = false;
    int lines = 0;
    if (len > HTTP_HEAD_MAX)
        len = HTTP_HEAD_MAX;
    while (r.status == 0 && !is_whole && next_line(&r, bytes, len, &at, &line)) {
        if (lines++ == 0)
            (void)read_request_line(&r, line);
        else if (line.len == 0)
            is_whole = check_whole(&r);
        else if (lines > HTTP_FIELDS_MAX + 1)
            (void)refuse(&r, 431, "the head has too many headers");
        else
            (void)read_field(&r, line);
    }
    if (r.status == 0 && !is_whole && len == HTTP_HEAD_MAX)
        (void)refuse(&r, lines == 0 ? 414 : 431, lines == 0 ? "the target is too long" : "the head is too long");
    if (r.status != 0) {
        *ret_why = r.why;
        return -r.status;
    }
    if (!is_whole)
        return 0;
    *ret_head = r.head;
    return (int)at;
}

bool http_wants_events(const http_head_t *head)
{
    static const char type[] = "text/event-stream";
    return head->accept.at && head->accept.len >= sizeof type - 1 &&
           memmem(head->accept.at, head->accept.len, type, sizeof type - 1);
}
