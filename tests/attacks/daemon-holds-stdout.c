/*
 * attack: leaves a child that keeps standard output open
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    held();
    fflush(stdout);
    if (fork() == 0)
        for (;;)
            sleep(1000);
    _exit(0);
}
