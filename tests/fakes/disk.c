/* A disk that fails on demand: preloaded into a process, it counts the calls that change files below a folder, writes
 * them down, and at a chosen one kills the process or lets the call fail. The orders come from a mapped file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct orders {
    int count;  /* calls so far */
    int from;   /* first call that is hit; 0: none */
    int until;  /* last call that is hit */
    int error;  /* errno of those; 0: SIGKILL before the call */
    int kinds;  /* which calls can fail: bits of KINDS */
};

static const char KINDS[] = "owslrumt"; /* open to create, write, sync, link, rename, unlink, mkdir, truncate */
static struct orders *orders;
static char root[PATH_MAX];
static size_t root_length;
static int diary = -1;

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("DISK_ROOT"), *file = getenv("DISK_ORDERS"), *written = getenv("DISK_DIARY");
    if (!folder || !file) return;
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) return;
    root_length = (size_t)snprintf(root, sizeof root, "%s", folder);
    if (written) diary = syscall(SYS_openat, AT_FDCWD, written, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    orders = map;
}

/* True when the call is to fail, with errno set. */
static int hit(char kind, const char *path) {
    if (!orders || strncmp(path, root, root_length)) return 0;
    int number = __atomic_add_fetch(&orders->count, 1, __ATOMIC_SEQ_CST);
    if (diary >= 0) {
        char line[PATH_MAX + 8];
        int length = snprintf(line, sizeof line, "%c %s\n", kind, path + root_length);
        syscall(SYS_write, diary, line, (size_t)length);
    }
    if (!orders->from || number < orders->from || number > orders->until) return 0;
    const char *bit = strchr(KINDS, kind);
    if (orders->kinds && !(orders->kinds & (1 << (bit - KINDS)))) return 0;
    if (!orders->error) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    errno = orders->error;
    return 1;
}

static int hit_fd(char kind, int fd) {
    if (!orders) return 0;
    int before = errno;
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) { errno = before; return 0; }
    path[length] = 0;
    errno = before;
    return hit(kind, path);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define OPENER(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & O_CREAT) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        if ((flags & O_CREAT) && hit('o', path)) return -1; \
        return real(path, flags, mode); \
    }
OPENER(open)
OPENER(open64)
#define OPENER_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & O_CREAT) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        if ((flags & O_CREAT) && hit('o', path)) return -1; \
        return real(folder, path, flags, mode); \
    }
OPENER_AT(openat)
OPENER_AT(openat64)

ssize_t write(int fd, const void *data, size_t size) { REAL(write); return hit_fd('w', fd) ? -1 : real(fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { REAL(pwrite); return hit_fd('w', fd) ? -1 : real(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { REAL(pwrite64); return hit_fd('w', fd) ? -1 : real(fd, data, size, at); }
int fsync(int fd) { REAL(fsync); return hit_fd('s', fd) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return hit_fd('s', fd) ? -1 : real(fd); }
int ftruncate(int fd, off_t size) { REAL(ftruncate); return hit_fd('t', fd) ? -1 : real(fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); return hit_fd('t', fd) ? -1 : real(fd, size); }
int link(const char *from, const char *to) { REAL(link); return hit('l', to) ? -1 : real(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) { REAL(linkat); return hit('l', to) ? -1 : real(a, from, b, to, flags); }
int rename(const char *from, const char *to) { REAL(rename); return hit('r', to) ? -1 : real(from, to); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); return hit('r', to) ? -1 : real(a, from, b, to); }
int unlink(const char *path) { REAL(unlink); return hit('u', path) ? -1 : real(path); }
int unlinkat(int folder, const char *path, int flags) { REAL(unlinkat); return hit('u', path) ? -1 : real(folder, path, flags); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return hit('m', path) ? -1 : real(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { REAL(mkdirat); return hit('m', path) ? -1 : real(folder, path, mode); }
