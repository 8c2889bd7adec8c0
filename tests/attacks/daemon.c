/*
 * attack: leaves a daemon behind: double fork, a session of its own, all descriptors closed
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            for (int fd = 0; fd < 64; fd++)
                close(fd);
            for (int number = 1; number < 65; number++)
                signal(number, SIG_IGN);
            for (;;)
                sleep(1000);
        }
        _exit(0);
    }
    wait(NULL);
    return held();
}
