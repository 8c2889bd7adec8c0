/*
 * attack: looks for descriptors that were left open
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    for (int fd = 3; fd < 65536; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            printf("BREACH descriptor %d is open\n", fd);
    must_fail("controlling terminal", open("/dev/tty", O_RDWR));
    return held();
}
