/*
 * attack: fills every writable directory
 * expect: OK MEMORY_LIMIT
 */
#include "attack.h"

int main(void)
{
    static char block[1 << 20];
    static const char *files[] = {"/tmp/fill", "fill", "/dev/shm/fill", "/fill", "/dev/fill", "/var/fill", "/var/tmp/fill", "/run/fill"};
    long total = 0;
    memset(block, 7, sizeof block);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int fd = open(files[i], O_CREAT | O_WRONLY, 0600);
        ssize_t written;
        while (fd >= 0 && total < (4L << 30) && (written = write(fd, block, sizeof block)) > 0)
            total += written;
    }
    if (total >= (4L << 30))
        puts("BREACH 4 GiB on disk");
    return held();
}
