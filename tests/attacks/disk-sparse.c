/*
 * attack: a file that claims to be larger than any disk
 * expect: OK RUNTIME_ERROR
 */
#include "attack.h"

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    int fd = open("/tmp/sparse", O_CREAT | O_RDWR, 0600);
    must_fail("truncate to 1 EiB", ftruncate(fd, 1L << 60));
    must_fail("fallocate of 64 GiB", fallocate(fd, 0, 0, 64L << 30));
    return held();
}
