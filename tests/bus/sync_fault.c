/* Preloaded into a child process: counts syncs of the journal's files, and at the n-th makes one fail or kills the process.
   SYNC_FAULT_AT=n, SYNC_FAULT=eio|kill, SYNC_COUNT_FILE=path (one byte is appended for each sync). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int calls;

static int faulty(void) {
    const char *at = getenv("SYNC_FAULT_AT"), *kind = getenv("SYNC_FAULT"), *count = getenv("SYNC_COUNT_FILE");
    if (count) {
        int fd = open(count, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (fd >= 0) {
            if (write(fd, "s", 1) != 1) abort();
            close(fd);
        }
    }
    if (!at || __sync_add_and_fetch(&calls, 1) < atoi(at)) return 0;
    if (kind && !strcmp(kind, "kill")) kill(getpid(), SIGKILL);
    return 1;
}

#define WRAP(name)                                                   \
    int name(int fd) {                                               \
        static int (*real)(int);                                     \
        if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name);     \
        if (faulty()) { errno = EIO; return -1; }                    \
        return real(fd);                                             \
    }

WRAP(fsync)
WRAP(fdatasync)
