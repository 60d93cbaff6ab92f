/* Makes calls that write below a folder fail, for tests: LD_PRELOAD=faults.so, with these environment variables.
 *   FAULTS_BELOW   the folder, an absolute path
 *   FAULTS_LOG     a file to which a line is appended for each call that fails, and at the end one with the number of calls of each kind
 *   FAULTS_KIND    EIO, ENOSPC, EMFILE, or SHORT: a write of half of the bytes
 *   FAULTS_FIRST   the first call that fails, counted from 1 over all threads among those that can fail so; 0 for none
 *   FAULTS_COUNT   how many calls fail from there on
 * cc -O2 -shared -fPIC -o faults.so faults.c                                                                              */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, CREATE = 2, WRITE = 4, SYNC = 8, SPACE = 16, NAME = 32, UNLINK = 64, CLOSE = 128 };

static struct kind {
    const char *name;
    int error, calls;
    atomic_long count;
} kinds[] = {
    {"EIO", EIO, OPEN | CREATE | WRITE | SYNC | SPACE | NAME | UNLINK | CLOSE, 0},
    {"ENOSPC", ENOSPC, CREATE | WRITE | SYNC | SPACE | NAME, 0},
    {"EMFILE", EMFILE, OPEN | CREATE, 0},
    {"SHORT", 0, WRITE, 0},
};

#define KINDS (sizeof kinds / sizeof *kinds)
#define DESCRIPTORS 65536

static const char *below;
static int chosen = -1, output = -1;
static long first, last;
static atomic_char inside[DESCRIPTORS]; /* 1 for a descriptor of a file or folder below `below` */

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

static void say(const char *text, int length) {
    if (output >= 0 && REAL(write)(output, text, (size_t)length) < 0) {
        abort();
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *kind = getenv("FAULTS_KIND"), *log = getenv("FAULTS_LOG"), *from = getenv("FAULTS_FIRST"), *count = getenv("FAULTS_COUNT");
    below = getenv("FAULTS_BELOW");
    if (log) {
        output = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    first = from ? atol(from) : 0;
    last = first + (count ? atol(count) : 1) - 1;
    for (int i = 0; kind && first > 0 && i < (int)KINDS; i++) {
        if (!strcmp(kind, kinds[i].name)) {
            chosen = i;
        }
    }
}

__attribute__((destructor)) static void end(void) {
    char line[256];
    int n = snprintf(line, sizeof line, "calls");
    for (unsigned i = 0; i < KINDS; i++) {
        n += snprintf(line + n, sizeof line - (size_t)n, " %s=%ld", kinds[i].name, atomic_load(&kinds[i].count));
    }
    line[n++] = '\n';
    say(line, n);
}

/* Counts a call. True when it must fail; errno is set then. */
static int fails(int call, const char *name, const char *path, int fd) {
    int failing = 0;
    for (int i = 0; i < (int)KINDS; i++) {
        if (!(kinds[i].calls & call)) {
            continue;
        }
        long n = atomic_fetch_add(&kinds[i].count, 1) + 1;
        if (i == chosen && n >= first && n <= last) {
            char line[PATH_MAX + 128], link[64], target[PATH_MAX];
            if (!path) {
                snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
                ssize_t length = readlink(link, target, sizeof target - 1);
                target[length < 0 ? 0 : length] = 0;
                path = target;
            }
            int length = snprintf(line, sizeof line, "%s %ld %s %s\n", kinds[i].name, n, name, path);
            say(line, length);
            errno = kinds[i].error;
            failing = 1;
        }
    }
    return failing;
}

static int is_below(const char *path) {
    size_t length = below ? strlen(below) : 0;
    return length && path && !strncmp(path, below, length) && (path[length] == 0 || path[length] == '/');
}

static int is_inside(int fd) { return fd >= 0 && fd < DESCRIPTORS && atomic_load_explicit(&inside[fd], memory_order_relaxed); }

static int opened(int fd, int is_ours) {
    if (fd >= 0 && fd < DESCRIPTORS) {
        atomic_store_explicit(&inside[fd], (char)is_ours, memory_order_relaxed);
    }
    return fd;
}

/* ---- opening; paths relative to a descriptor are not looked at: neither RocksDB nor .NET use them */

#define MODE(flags) ({ mode_t m = 0; if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list l; va_start(l, flags); \
    m = va_arg(l, mode_t); va_end(l); } m; })
#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        mode_t mode = MODE(flags); \
        int ours = is_below(path); \
        return ours && fails(flags & O_CREAT ? CREATE : OPEN, #name, path, -1) ? -1 : opened(REAL(name)(path, flags, mode), ours); \
    }
#define OPENS_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        mode_t mode = MODE(flags); \
        int ours = is_below(path); \
        return ours && fails(flags & O_CREAT ? CREATE : OPEN, #name, path, -1) ? -1 : opened(REAL(name)(folder, path, flags, mode), ours); \
    }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

#define CREATES(name) \
    int name(const char *path, mode_t mode) { \
        int ours = is_below(path); \
        return ours && fails(CREATE, #name, path, -1) ? -1 : opened(REAL(name)(path, mode), ours); \
    }
CREATES(creat)
CREATES(creat64)

int close(int fd) {
    int ours = is_inside(fd);
    opened(fd, 0);
    int failing = ours && fails(CLOSE, "close", NULL, fd), error = errno;
    int result = REAL(close)(fd); /* a close that fails has closed the descriptor */
    if (failing) {
        errno = error;
    }
    return failing ? -1 : result;
}

int dup(int fd) { return opened(REAL(dup)(fd), is_inside(fd)); }

/* ---- writing */

#define IS_SHORT (kinds[chosen].error == 0)

#define WRITES(name, type, arguments, ...) \
    ssize_t name arguments { \
        if (is_inside(fd) && fails(WRITE, #name, NULL, fd)) { \
            if (!IS_SHORT) { \
                return -1; \
            } \
            if (length > 1) { \
                length /= 2; \
            } \
        } \
        return REAL(name)(__VA_ARGS__); \
    }
WRITES(write, size_t, (int fd, const void *data, size_t length), fd, data, length)
WRITES(pwrite, size_t, (int fd, const void *data, size_t length, off_t at), fd, data, length, at)
WRITES(pwrite64, size_t, (int fd, const void *data, size_t length, off64_t at), fd, data, length, at)

/* A short write of several parts is one of half of the first. */
static ssize_t few(int fd, const struct iovec *parts, off64_t at) {
    size_t length = parts->iov_len > 1 ? parts->iov_len / 2 : parts->iov_len;
    return at < 0 ? REAL(write)(fd, parts->iov_base, length) : REAL(pwrite64)(fd, parts->iov_base, length, at);
}

#define WRITES_PARTS(name, at, arguments, ...) \
    ssize_t name arguments { \
        if (is_inside(fd) && fails(WRITE, #name, NULL, fd)) { \
            return IS_SHORT ? few(fd, parts, at) : -1; \
        } \
        return REAL(name)(__VA_ARGS__); \
    }
WRITES_PARTS(writev, -1, (int fd, const struct iovec *parts, int n), fd, parts, n)
WRITES_PARTS(pwritev, at, (int fd, const struct iovec *parts, int n, off_t at), fd, parts, n, at)
WRITES_PARTS(pwritev64, at, (int fd, const struct iovec *parts, int n, off64_t at), fd, parts, n, at)

/* ---- the rest */

#define CALLS(class, name, arguments, ...) \
    int name arguments { return is_inside(fd) && fails(class, #name, NULL, fd) ? -1 : REAL(name)(__VA_ARGS__); }
CALLS(SYNC, fsync, (int fd), fd)
CALLS(SYNC, fdatasync, (int fd), fd)
CALLS(SPACE, ftruncate, (int fd, off_t length), fd, length)
CALLS(SPACE, ftruncate64, (int fd, off64_t length), fd, length)
CALLS(SPACE, fallocate, (int fd, int mode, off_t from, off_t length), fd, mode, from, length)
CALLS(SPACE, fallocate64, (int fd, int mode, off64_t from, off64_t length), fd, mode, from, length)

/* Without flags it asks only whether the call exists, which RocksDB does once and which cannot fail for a regular file. */
int sync_file_range(int fd, off64_t from, off64_t length, unsigned flags) {
    return flags && is_inside(fd) && fails(SYNC, "sync_file_range", NULL, fd) ? -1 : REAL(sync_file_range)(fd, from, length, flags);
}

/* These two return the error. */
int posix_fallocate(int fd, off_t from, off_t length) {
    return is_inside(fd) && fails(SPACE, "posix_fallocate", NULL, fd) ? errno : REAL(posix_fallocate)(fd, from, length);
}

int posix_fallocate64(int fd, off64_t from, off64_t length) {
    return is_inside(fd) && fails(SPACE, "posix_fallocate64", NULL, fd) ? errno : REAL(posix_fallocate64)(fd, from, length);
}

#define NAMES(class, name, tested, arguments, ...) \
    int name arguments { return is_below(tested) && fails(class, #name, tested, -1) ? -1 : REAL(name)(__VA_ARGS__); }
NAMES(NAME, rename, to, (const char *from, const char *to), from, to)
NAMES(NAME, link, to, (const char *from, const char *to), from, to)
NAMES(NAME, mkdir, path, (const char *path, mode_t mode), path, mode)
NAMES(UNLINK, unlink, path, (const char *path), path)
