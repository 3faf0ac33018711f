/* Calls to the C library below one folder, of which one or all from one on fail; loaded with LD_PRELOAD.
 *
 * fault_set says which: the kind of call, the error, at which time (0 only counts), and whether all later ones fail too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, FSYNC, RENAME, LINK, MKDIR, FLOCK, UNLINK, TRUNCATE };

static char prefix[PATH_MAX];
static int kind, error, at, sticky;
static atomic_int calls;

void fault_set(const char *below, int which, int number, int time, int lasting)
{
    snprintf(prefix, sizeof prefix, "%s", below);
    kind = which; error = number; at = time; sticky = lasting;
    atomic_store(&calls, 0);
}

int fault_calls(void) { return atomic_load(&calls); }

static int hit(int which, const char *path)
{
    if (which != kind || !path || !prefix[0] || strncmp(path, prefix, strlen(prefix)) != 0)
        return 0;
    int number = atomic_fetch_add(&calls, 1) + 1;
    if (at && (number == at || (sticky && number > at))) {
        errno = error;
        return 1;
    }
    return 0;
}

static int hit_fd(int which, int fd)
{
    char link[64], path[PATH_MAX];
    if (which != kind || !prefix[0])
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return hit(which, path);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define OPENER(name)                                                                              \
    int name(const char *path, int flags, ...)                                                    \
    {                                                                                             \
        REAL(name);                                                                               \
        va_list rest; va_start(rest, flags);                                                      \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; va_end(rest);   \
        if (flags & (O_WRONLY | O_RDWR | O_CREAT) && hit(OPEN, path)) return -1;                  \
        return real(path, flags, mode);                                                           \
    }
#define OPENER_AT(name)                                                                           \
    int name(int folder, const char *path, int flags, ...)                                        \
    {                                                                                             \
        REAL(name);                                                                               \
        va_list rest; va_start(rest, flags);                                                      \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; va_end(rest);   \
        if (flags & (O_WRONLY | O_RDWR | O_CREAT) && hit(OPEN, path)) return -1;                  \
        return real(folder, path, flags, mode);                                                   \
    }
OPENER(open) OPENER(open64) OPENER_AT(openat) OPENER_AT(openat64)

ssize_t write(int fd, const void *from, size_t size) { REAL(write); return hit_fd(WRITE, fd) ? -1 : real(fd, from, size); }
ssize_t writev(int fd, const struct iovec *from, int count) { REAL(writev); return hit_fd(WRITE, fd) ? -1 : real(fd, from, count); }
ssize_t pwrite(int fd, const void *from, size_t size, off_t to) { REAL(pwrite); return hit_fd(WRITE, fd) ? -1 : real(fd, from, size, to); }
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t to) { REAL(pwrite64); return hit_fd(WRITE, fd) ? -1 : real(fd, from, size, to); }
int fsync(int fd) { REAL(fsync); return hit_fd(FSYNC, fd) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return hit_fd(FSYNC, fd) ? -1 : real(fd); }
int ftruncate(int fd, off_t size) { REAL(ftruncate); return hit_fd(TRUNCATE, fd) ? -1 : real(fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); return hit_fd(TRUNCATE, fd) ? -1 : real(fd, size); }
int flock(int fd, int how) { REAL(flock); return hit_fd(FLOCK, fd) ? -1 : real(fd, how); }
int rename(const char *from, const char *to) { REAL(rename); return hit(RENAME, to) ? -1 : real(from, to); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); return hit(RENAME, to) ? -1 : real(a, from, b, to); }
int link(const char *from, const char *to) { REAL(link); return hit(LINK, to) ? -1 : real(from, to); }
int linkat(int a, const char *from, int b, const char *to, int how) { REAL(linkat); return hit(LINK, to) ? -1 : real(a, from, b, to, how); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return hit(MKDIR, path) ? -1 : real(path, mode); }
int unlink(const char *path) { REAL(unlink); return hit(UNLINK, path) ? -1 : real(path); }
