/*
 * attack: hoards kernel memory in pipes
 * expect: OK MEMORY_LIMIT
 */
#include "attack.h"

int main(void)
{
    static char block[1 << 20];
    long total = 0;
    for (int i = 0; i < 100000; i++) {
        int ends[2];
        if (pipe2(ends, O_NONBLOCK) < 0)
            break;
        fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
        ssize_t written = write(ends[1], block, sizeof block);
        total += written > 0 ? written : 0;
    }
    if (total > (1L << 30))
        puts("BREACH more than 1 GiB in pipes");
    return held();
}
