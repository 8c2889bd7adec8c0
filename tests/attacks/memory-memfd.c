/*
 * attack: files in memory that have no name
 * expect: MEMORY_LIMIT RUNTIME_ERROR OK
 */
#include "attack.h"

int main(void)
{
    static char block[1 << 20];
    memset(block, 7, sizeof block);
    for (int files = 0; files < 64; files++) {
        int fd = memfd_create("theft", 0);
        if (fd < 0)
            return held();
        for (int mebibytes = 0; mebibytes < 64; mebibytes++)
            if (write(fd, block, sizeof block) != sizeof block)
                return held();
    }
    puts("BREACH 4 GiB of nameless files");
}
