/*
 * attack: forks up to the limit and goes on with its own work
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    int children = 0;
    while (children < 100000) {
        pid_t child = fork();
        if (child == 0) {
            pause();
            _exit(0);
        }
        if (child < 0)
            break;
        children++;
    }
    if (children == 100000)
        puts("BREACH 100000 processes");
    return held();
}
