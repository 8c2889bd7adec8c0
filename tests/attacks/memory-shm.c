/*
 * attack: fills /dev/shm
 * expect: OK MEMORY_LIMIT
 */
#include "attack.h"

int main(void)
{
    static char block[1 << 20];
    memset(block, 7, sizeof block);
    int fd = open("/dev/shm/theft", O_CREAT | O_RDWR, 0600);
    for (int mebibytes = 0; mebibytes < 4096; mebibytes++)
        if (write(fd, block, sizeof block) != sizeof block)
            return held();
    puts("BREACH 4 GiB of shared memory");
}
