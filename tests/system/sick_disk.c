/* Preloaded into every program of an arena under test. SICK_DISK names an order file, written by the test while the arena runs:
   "<part of a file's name> <eio|kill|hang> <n>": the n-th sync of such a file fails with EIO, kills its process, or does not return while there is a
   file of that name with "-hold" after it. Carried out once, then the order is gone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int seen;

static int is_sick(int fd) {
    const char *order = getenv("SICK_DISK");
    char text[256] = "", link[64], path[4096], name[128], kind[16];
    int n, at = order ? open(order, O_RDONLY | O_CLOEXEC) : -1;
    if (at < 0) { seen = 0; return 0; }
    ssize_t length = read(at, text, sizeof text - 1);
    close(at);
    if (length <= 0 || sscanf(text, "%127s %15s %d", name, kind, &n) != 3) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!strstr(path, name) || __sync_add_and_fetch(&seen, 1) < n || unlink(order)) return 0;
    seen = 0;
    if (!strcmp(kind, "kill")) kill(getpid(), SIGKILL);
    if (strcmp(kind, "hang")) return 1;
    snprintf(path, sizeof path, "%s-hold", order);
    while (!access(path, F_OK)) usleep(10000);
    return 0;
}

#define WRAP(call)                                                \
    int call(int fd) {                                            \
        static int (*real)(int);                                  \
        if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #call);  \
        if (is_sick(fd)) { errno = EIO; return -1; }              \
        return real(fd);                                          \
    }

WRAP(fsync)
WRAP(fdatasync)
