/* What all attacks in C use. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The call must fail; when it does not, that is a breach. */
static inline void must_fail(const char *what, long result)
{
    if (result == -1)
        printf("refused %s: %s\n", what, strerror(errno));
    else
        printf("BREACH %s gave %ld\n", what, result);
    fflush(stdout);
}

/* Nobody may read this file. */
static inline void must_not_read(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    if (fd >= 0 && read(fd, &byte, 1) == 1)
        printf("BREACH read %s\n", path);
    else
        printf("refused %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    fflush(stdout);
}

/* Nobody may open this file for writing. */
static inline void must_not_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK);
    if (fd >= 0)
        printf("BREACH opened %s for writing\n", path);
    else
        printf("refused %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    fflush(stdout);
}

/* Everything that was to be refused has been. */
static inline int held(void)
{
    puts("HELD");
    return 0;
}
