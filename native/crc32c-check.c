/*
 * Checks crc32c.c against the vectors of RFC 3720 (appendix B.4) and against RocksDB's own function. Linked like the product, with
 * --wrap, so that a call of the plain name must reach our function.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint32_t _ZN7rocksdb6crc32c6ExtendEjPKcm(uint32_t crc, const char *data, size_t length);
uint32_t __wrap__ZN7rocksdb6crc32c6ExtendEjPKcm(uint32_t crc, const char *data, size_t length);
uint32_t __real__ZN7rocksdb6crc32c6ExtendEjPKcm(uint32_t crc, const char *data, size_t length);

static void expect(const char *what, uint32_t got, uint32_t wanted)
{
    if (got == wanted)
        return;
    fprintf(stderr, "crc32c: %s: %08x instead of %08x\n", what, got, wanted);
    exit(1);
}

static double rate(uint32_t (*f)(uint32_t, const char *, size_t), const char *data, size_t length)
{
    struct timespec a, b;
    uint32_t crc = 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 100; i++)
        crc = f(crc, data, length);
    clock_gettime(CLOCK_MONOTONIC, &b);
    expect("the same sum again", f(0, data, 0), 0);
    return crc == 1 ? 0 : 100.0 * (double)length / ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec));
}

int main(void)
{
    static char data[1 << 18];
    char text[80];
    uint32_t state = 12345;

    memset(data, 0, 32);
    expect("32 bytes of zeros", _ZN7rocksdb6crc32c6ExtendEjPKcm(0, data, 32), 0x8a9136aau);
    memset(data, 0xff, 32);
    expect("32 bytes of ones", _ZN7rocksdb6crc32c6ExtendEjPKcm(0, data, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++)
        data[i] = (char)i;
    expect("32 bytes going up", _ZN7rocksdb6crc32c6ExtendEjPKcm(0, data, 32), 0x46dd794eu);
    for (int i = 0; i < 32; i++)
        data[i] = (char)(31 - i);
    expect("32 bytes going down", _ZN7rocksdb6crc32c6ExtendEjPKcm(0, data, 32), 0x113fdb5cu);
    expect("123456789", _ZN7rocksdb6crc32c6ExtendEjPKcm(0, "123456789", 9), 0xe3069283u);

    for (size_t i = 0; i < sizeof data; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (char)(state >> 24);
    }
    for (size_t length = 0; length < 16000; length++) {
        size_t from = length % 17;
        snprintf(text, sizeof text, "%zu bytes from offset %zu", length, from);
        expect(text, __wrap__ZN7rocksdb6crc32c6ExtendEjPKcm(state, data + from, length),
            __real__ZN7rocksdb6crc32c6ExtendEjPKcm(state, data + from, length));
        state = state * 1664525u + 1013904223u;
    }
    expect("the whole", __wrap__ZN7rocksdb6crc32c6ExtendEjPKcm(7, data, sizeof data),
           __real__ZN7rocksdb6crc32c6ExtendEjPKcm(7, data, sizeof data));

    printf("crc32c: correct; %.1f GB/s, RocksDB's own %.1f GB/s\n", rate(__wrap__ZN7rocksdb6crc32c6ExtendEjPKcm, data, sizeof data),
        rate(__real__ZN7rocksdb6crc32c6ExtendEjPKcm, data, sizeof data));
    return 0;
}
