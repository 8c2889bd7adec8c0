/*
 * attack: signals to pid 1, to everybody, and to pids it guesses
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    signal(SIGTERM, SIG_IGN);
    must_fail("SIGKILL to pid 1", kill(1, SIGKILL));
    for (pid_t pid = 2; pid < 40000; pid++)
        if (pid != getpid() && kill(pid, SIGKILL) == 0)
            printf("BREACH killed %d\n", pid);
    kill(-1, SIGTERM);
    return held();
}
