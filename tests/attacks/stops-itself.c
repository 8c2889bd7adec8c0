/*
 * attack: stops itself with SIGSTOP and never goes on
 * expect: WALL_TIME_LIMIT
 */
#include "attack.h"

int main(void)
{
    for (;;)
        raise(SIGSTOP);
}
