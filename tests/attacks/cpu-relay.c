/*
 * attack: short-lived children, none of which is ever over the limit
 * expect: CPU_TIME_LIMIT
 */
#include "attack.h"

int main(void)
{
    for (;;) {
        if (fork() == 0) {
            for (volatile long i = 0; i < 20000000; i++) {
            }
            _exit(0);
        }
        wait(NULL);
    }
}
