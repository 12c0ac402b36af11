/*
 * The reference for our WBXML codec: libwbxml, measured on the same documents.
 *
 *     wbxml_bench [--seconds S] A.wbxml A.xml [B.wbxml B.xml]...
 *
 * Each pair is one message of CSP 1.1 or 1.2 in both encodings; the version is told by the namespace in the XML. Each of
 * the four measurements goes through all documents again and again for S seconds (1 by default). One line of JSON comes out:
 *
 *     {"library":"libwbxml 0.11.8","documents":2,"wbxml_bytes":300,"xml_bytes":1500,"seconds":1.0,
 *      "decode":{"documents_per_s":0,"wbxml_mb_per_s":0,"xml_mb_per_s":0},          WBXML -> tree
 *      "encode":{...},                                                              tree -> WBXML
 *      "decode_to_xml":{...},                                                       WBXML -> tree -> XML text
 *      "encode_from_xml":{...}}                                                     XML text -> tree -> WBXML
 *
 * A rate is given twice, over the size of the WBXML and over the size of the XML of the same message (MB = 1,000,000
 * bytes). "decode" and "encode" are what compares with a codec between bytes and values; the other two are what the library
 * offers in its headers, and contain an XML writer or parser.
 *
 * A document that the library cannot handle ends the program with exit code 1 and its name: both sides must measure the same.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <wbxml/wbxml.h>

/*
 * The library exports these, but Debian's package has no header that declares them. They are what its own converters consist
 * of, as in wbxml_tree.h of the library's source.
 */
typedef struct WBXMLTree_s WBXMLTree;
extern WBXMLError wbxml_tree_from_wbxml(WB_UTINY *wbxml, WB_ULONG length, WBXMLLanguage language,
                                        WBXMLCharsetMIBEnum charset, WBXMLTree **tree);
extern WBXMLError wbxml_tree_from_xml(WB_UTINY *xml, WB_ULONG length, WBXMLTree **tree);
extern WBXMLError wbxml_tree_to_wbxml(WBXMLTree *tree, WB_UTINY **wbxml, WB_ULONG *length, WBXMLGenWBXMLParams *how);
extern void wbxml_tree_destroy(WBXMLTree *tree);
extern void wbxml_free(void *memory);

struct document {
    const char *name;
    WBXMLLanguage language;
    WB_UTINY *wbxml;
    WB_ULONG wbxml_length;
    /* With a DOCTYPE, by which the library knows the version. */
    WB_UTINY *xml;
    WB_ULONG xml_length;
    /* Of the XML as it was given. */
    WB_ULONG counted_xml_length;
    WBXMLTree *tree;
};

/* As our own encoder writes: WBXML 1.3, no string table. */
static WBXMLGenWBXMLParams how = {WBXML_VERSION_13, FALSE, FALSE, FALSE};

static void fail(const char *name, const char *what, WBXMLError error)
{
    fprintf(stderr, "%s: %s", name, what);
    if (error != WBXML_OK)
        fprintf(stderr, ": %s", (const char *)wbxml_errors_string(error));
    fputc('\n', stderr);
    exit(1);
}

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (memory == NULL)
        fail("wbxml_bench", "out of memory", WBXML_OK);
    return memory;
}

/* Reads a whole file; a zero byte is added behind it. */
static WB_UTINY *read_file(const char *name, WB_ULONG *length)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        fail(name, "cannot be opened", WBXML_OK);
    size_t size = 0, room = 4096;
    WB_UTINY *bytes = allocate(room + 1);
    size_t got;
    while ((got = fread(bytes + size, 1, room - size, file)) > 0) {
        size += got;
        if (size == room) {
            room *= 2;
            bytes = realloc(bytes, room + 1);
            if (bytes == NULL)
                fail(name, "out of memory", WBXML_OK);
        }
    }
    if (ferror(file))
        fail(name, "cannot be read", WBXML_OK);
    fclose(file);
    bytes[size] = 0;
    *length = (WB_ULONG)size;
    return bytes;
}

/* Puts a DOCTYPE behind the XML declaration, so that the library need not guess the version from the root element. */
static void force_language(struct document *document, const char *given)
{
    const char *doctype;
    if (strstr(given, "CSP1.1") != NULL) {
        document->language = WBXML_LANG_WV_CSP11;
        doctype = "<!DOCTYPE WV-CSP-Message PUBLIC \"-//OMA//DTD WV-CSP 1.1//EN\" "
                  "\"http://www.openmobilealliance.org/DTD/WV-CSP.XML\">";
    } else if (strstr(given, "CSP1.2") != NULL) {
        document->language = WBXML_LANG_WV_CSP12;
        doctype = "<!DOCTYPE WV-CSP-Message PUBLIC \"-//OMA//DTD WV-CSP 1.2//EN\" "
                  "\"http://www.openmobilealliance.org/DTD/WV-CSP.DTD\">";
    } else {
        fail(document->name, "is neither CSP 1.1 nor 1.2, which is all that the library knows", WBXML_OK);
        return;
    }
    const char *body = given;
    if (strncmp(given, "<?xml", 5) == 0 && strstr(given, "?>") != NULL)
        body = strstr(given, "?>") + 2;
    if (strstr(given, "<!DOCTYPE") != NULL)
        doctype = "";
    size_t head = (size_t)(body - given), room = strlen(given) + strlen(doctype) + 1;
    char *xml = allocate(room);
    snprintf(xml, room, "%.*s%s%s", (int)head, given, doctype, body);
    document->xml = (WB_UTINY *)xml;
    document->xml_length = (WB_ULONG)strlen(xml);
}

/* The four measurements, each on one document. */

static void decode(const struct document *it)
{
    WBXMLTree *tree = NULL;
    WBXMLError error = wbxml_tree_from_wbxml(it->wbxml, it->wbxml_length, it->language, WBXML_CHARSET_UTF_8, &tree);
    if (error != WBXML_OK)
        fail(it->name, "cannot be decoded", error);
    wbxml_tree_destroy(tree);
}

static void encode(const struct document *it)
{
    WB_UTINY *wbxml = NULL;
    WB_ULONG length = 0;
    WBXMLError error = wbxml_tree_to_wbxml(it->tree, &wbxml, &length, &how);
    if (error != WBXML_OK || length == 0)
        fail(it->name, "cannot be encoded", error);
    wbxml_free(wbxml);
}

static void decode_to_xml(const struct document *it)
{
    WBXMLConvWBXML2XML *converter = NULL;
    WB_UTINY *xml = NULL;
    WB_ULONG length = 0;
    WBXMLError error = wbxml_conv_wbxml2xml_create(&converter);
    if (error != WBXML_OK)
        fail(it->name, "no converter", error);
    wbxml_conv_wbxml2xml_set_gen_type(converter, WBXML_GEN_XML_COMPACT);
    wbxml_conv_wbxml2xml_set_language(converter, it->language);
    error = wbxml_conv_wbxml2xml_run(converter, it->wbxml, it->wbxml_length, &xml, &length);
    if (error != WBXML_OK || length == 0)
        fail(it->name, "cannot be converted to XML", error);
    wbxml_conv_wbxml2xml_destroy(converter);
    wbxml_free(xml);
}

static void encode_from_xml(const struct document *it)
{
    WBXMLConvXML2WBXML *converter = NULL;
    WB_UTINY *wbxml = NULL;
    WB_ULONG length = 0;
    WBXMLError error = wbxml_conv_xml2wbxml_create(&converter);
    if (error != WBXML_OK)
        fail(it->name, "no converter", error);
    wbxml_conv_xml2wbxml_disable_string_table(converter);
    error = wbxml_conv_xml2wbxml_run(converter, it->xml, it->xml_length, &wbxml, &length);
    if (error != WBXML_OK || length == 0)
        fail(it->name, "cannot be converted to WBXML", error);
    wbxml_conv_xml2wbxml_destroy(converter);
    wbxml_free(wbxml);
}

/*
 * The library must encode a tree to the same bytes again and again, and to bytes that it reads; else the rates above would be
 * those of something that does not work.
 */
static void verify(const struct document *it)
{
    WB_UTINY *first = NULL, *second = NULL;
    WB_ULONG first_length = 0, second_length = 0;
    WBXMLTree *tree = NULL;
    WBXMLError error = wbxml_tree_to_wbxml(it->tree, &first, &first_length, &how);
    if (error == WBXML_OK)
        error = wbxml_tree_to_wbxml(it->tree, &second, &second_length, &how);
    if (error != WBXML_OK)
        fail(it->name, "cannot be encoded", error);
    if (first_length != second_length || memcmp(first, second, first_length) != 0)
        fail(it->name, "is encoded differently the second time", WBXML_OK);
    error = wbxml_tree_from_wbxml(first, first_length, it->language, WBXML_CHARSET_UTF_8, &tree);
    if (error != WBXML_OK)
        fail(it->name, "is encoded to what cannot be decoded", error);
    wbxml_tree_destroy(tree);
    wbxml_free(first);
    wbxml_free(second);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void measure(const char *label, void (*what)(const struct document *), const struct document *documents,
                    size_t count, double seconds, double wbxml_bytes, double xml_bytes)
{
    /* A round to warm up. */
    for (size_t i = 0; i < count; i++)
        what(&documents[i]);
    unsigned long rounds = 0;
    double start = seconds_now(), took;
    do {
        for (size_t i = 0; i < count; i++)
            what(&documents[i]);
        rounds++;
        took = seconds_now() - start;
    } while (took < seconds);
    double per_second = (double)rounds / took;
    printf(",\"%s\":{\"documents_per_s\":%.0f,\"wbxml_mb_per_s\":%.3f,\"xml_mb_per_s\":%.3f}", label,
           per_second * (double)count, per_second * wbxml_bytes / 1e6, per_second * xml_bytes / 1e6);
}

int main(int argc, char **argv)
{
    double seconds = 1.0;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--seconds") == 0) {
        char *end = NULL;
        seconds = strtod(argv[2], &end);
        if (end == argv[2] || *end != 0 || !(seconds > 0.0))
            fail(argv[2], "is no number of seconds", WBXML_OK);
        first = 3;
    }
    if (argc - first < 2 || (argc - first) % 2 != 0) {
        fprintf(stderr, "usage: wbxml_bench [--seconds S] A.wbxml A.xml [B.wbxml B.xml]...\n");
        return 2;
    }

    size_t count = (size_t)(argc - first) / 2;
    struct document *documents = allocate(count * sizeof *documents);
    double wbxml_bytes = 0, xml_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct document *it = &documents[i];
        memset(it, 0, sizeof *it);
        it->name = argv[first + 2 * (int)i];
        it->wbxml = read_file(it->name, &it->wbxml_length);
        WB_UTINY *given = read_file(argv[first + 2 * (int)i + 1], &it->counted_xml_length);
        force_language(it, (const char *)given);
        free(given);
        WBXMLError error = wbxml_tree_from_xml(it->xml, it->xml_length, &it->tree);
        if (error != WBXML_OK)
            fail(argv[first + 2 * (int)i + 1], "cannot be parsed", error);
        verify(it);
        decode(it);
        decode_to_xml(it);
        encode_from_xml(it);
        wbxml_bytes += it->wbxml_length;
        xml_bytes += it->counted_xml_length;
    }

    printf("{\"library\":\"libwbxml %s\",\"documents\":%zu,\"wbxml_bytes\":%.0f,\"xml_bytes\":%.0f,\"seconds\":%.3f",
           WBXML_LIB_VERSION, count, wbxml_bytes, xml_bytes, seconds);
    measure("decode", decode, documents, count, seconds, wbxml_bytes, xml_bytes);
    measure("encode", encode, documents, count, seconds, wbxml_bytes, xml_bytes);
    measure("decode_to_xml", decode_to_xml, documents, count, seconds, wbxml_bytes, xml_bytes);
    measure("encode_from_xml", encode_from_xml, documents, count, seconds, wbxml_bytes, xml_bytes);
    printf("}\n");

    for (size_t i = 0; i < count; i++) {
        wbxml_tree_destroy(documents[i].tree);
        free(documents[i].wbxml);
        free(documents[i].xml);
    }
    free(documents);
    return 0;
}
