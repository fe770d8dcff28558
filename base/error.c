/* Messages that do not fit are cut at a whole character. With context in front, the end of the message is what goes. */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Cuts a half UTF-8 character off the end of a text that vsnprintf cut. */
static void trim_half_character(char *text)
{
    size_t len = strlen(text), start = len;
    while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0)
        start--;
    uint32_t scalar;
    if (start < len && text_utf8_decode(text + start, len - start, &scalar) == 0)
        text[start] = '\0';
}

/* Formats aside first: an argument may point into err->message. */
__attribute__((format(printf, 3, 0))) static void format_message(fanmap_error_t *err, const char *prefix_end,
                                                                 const char *format, va_list args)
{
    char text[sizeof err->message], whole[sizeof err->message];
    vsnprintf(text, sizeof text, format, args);
    int n = snprintf(whole, sizeof whole, "%s%s%s", text, prefix_end ? ": " : "", prefix_end ? prefix_end : "");
    if (n >= (int)sizeof whole - 1 || strlen(text) == sizeof text - 1)
        trim_half_character(whole);
    memcpy(err->message, whole, sizeof whole);
}

__attribute__((format(printf, 4, 0))) static void fill(fanmap_error_t *err, int code, bool retry_may_help,
                                                       const char *format, va_list args)
{
    if (!err)
        return;
    format_message(err, NULL, format, args);
    err->code = code;
    err->retry_may_help = retry_may_help;
}

int err_set(fanmap_error_t *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, false, format, args);
    va_end(args);
    return code;
}

int err_set_retry(fanmap_error_t *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, true, format, args);
    va_end(args);
    return code;
}

int err_wrap(fanmap_error_t *err, const char *format, ...)
{
    if (!err)
        return FANMAP_EIO;
    va_list args;
    va_start(args, format);
    format_message(err, err->message, format, args);
    va_end(args);
    return err->code;
}
