/*
 * attack: forks for ever
 * expect: CPU_TIME_LIMIT WALL_TIME_LIMIT MEMORY_LIMIT
 */
#include "attack.h"

int main(void)
{
    for (;;)
        fork();
}
