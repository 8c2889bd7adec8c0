/*
 * attack: burns processor time in grandchildren while the parent sleeps
 * expect: CPU_TIME_LIMIT
 */
#include "attack.h"

int main(void)
{
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            if (fork() == 0)
                for (;;) {
                }
            _exit(0);
        }
    }
    for (;;)
        pause();
}
