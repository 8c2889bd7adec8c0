/*
 * attack: each child forks in a session of its own, the parents exit
 * expect: OK CPU_TIME_LIMIT WALL_TIME_LIMIT MEMORY_LIMIT RUNTIME_ERROR
 */
#include "attack.h"

int main(void)
{
    for (int i = 0; i < 1000000; i++) {
        if (fork() > 0 && i > 100)
            _exit(0);
        setsid();
    }
}
