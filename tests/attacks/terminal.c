/*
 * attack: types into a terminal that is not its own
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    char byte = 'x';
    for (int fd = 0; fd < 3; fd++) {
        must_fail("TIOCSTI", ioctl(fd, TIOCSTI, &byte));
        must_fail("TIOCLINUX", ioctl(fd, TIOCLINUX, &byte));
        must_fail("TIOCSTI with the upper half set", syscall(SYS_ioctl, fd, 0xdead00000000UL | TIOCSTI, &byte));
    }
    return held();
}
