/*
 * CRC-32C (Castagnoli; RFC 3720, section 12.1 and appendix B.4) with the instructions of SSE 4.2 and PCLMULQDQ.
 *
 * Debian builds RocksDB for every x86-64, so its checksum uses tables, at about 1 GB/s, for every byte written and read.
 * The linker's --wrap redirects RocksDB's calls of rocksdb::crc32c::Extend(uint32_t, const char *, size_t) to this file. On a
 * processor without the instructions (or of another architecture) they are passed on to RocksDB's own function.
 *
 * A crc32 instruction has a latency of three cycles but can start every cycle: three adjacent blocks are summed in parallel and
 * their sums are then combined. Shifting a sum over n bytes is a multiplication by x^(8n) modulo the polynomial. In bit-reflected
 * form, a carry-less product of two 32-bit values is multiplied by x, and the crc32 of that 64-bit product multiplies it by x^32
 * and reduces it; so the factor is x^(8n-33).
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXTEND _ZN7rocksdb6crc32c6ExtendEjPKcm
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

uint32_t JOIN(__real_, EXTEND)(uint32_t crc, const char *data, size_t length);
uint32_t JOIN(__wrap_, EXTEND)(uint32_t crc, const char *data, size_t length);

#if defined(__x86_64__)
#include <immintrin.h>

/* Lengths of a block in bytes: the long one hides the cost of combining, the short one is for values of a few hundred bytes. */
enum { LONG = 2048, SHORT = 128 };

static uint32_t long1, long2, short1, short2;
static int have;

/* x^e modulo the polynomial, bit-reflected: bit 31 is x^0. */
static uint32_t power(unsigned e)
{
    uint32_t v = 0x80000000u;
    while (e--)
        v = (v >> 1) ^ (v & 1 ? 0x82f63b78u : 0);
    return v;
}

/* Runs before any other code; afterwards the values are only read, by any thread. */
__attribute__((constructor)) static void prepare(void)
{
    __builtin_cpu_init();
    long1 = power(8 * LONG - 33);
    long2 = power(16 * LONG - 33);
    short1 = power(8 * SHORT - 33);
    short2 = power(16 * SHORT - 33);
    have = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

static inline uint64_t word(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

__attribute__((target("sse4.2,pclmul"))) static inline uint64_t move(uint64_t crc, uint32_t factor)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi32_si128((int32_t)factor), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static inline uint64_t three(uint64_t a, const char *p, size_t n, uint32_t once, uint32_t twice)
{
    uint64_t b = 0, c = 0;
    for (size_t i = 0; i < n; i += 8) {
        a = _mm_crc32_u64(a, word(p + i));
        b = _mm_crc32_u64(b, word(p + n + i));
        c = _mm_crc32_u64(c, word(p + 2 * n + i));
    }
    return move(a, twice) ^ move(b, once) ^ c;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t extend(uint32_t crc, const char *p, size_t n)
{
    uint64_t a = (uint32_t)~crc;
    for (; n >= 3 * LONG; p += 3 * LONG, n -= 3 * LONG)
        a = three(a, p, LONG, long1, long2);
    for (; n >= 3 * SHORT; p += 3 * SHORT, n -= 3 * SHORT)
        a = three(a, p, SHORT, short1, short2);
    for (; n >= 8; p += 8, n -= 8)
        a = _mm_crc32_u64(a, word(p));
    for (; n > 0; p++, n--)
        a = _mm_crc32_u8((uint32_t)a, (uint8_t)*p);
    return ~(uint32_t)a;
}
#endif

uint32_t JOIN(__wrap_, EXTEND)(uint32_t crc, const char *data, size_t length)
{
#if defined(__x86_64__)
    if (have)
        return extend(crc, data, length);
#endif
    return JOIN(__real_, EXTEND)(crc, data, length);
}
