/*
 * attack: sleeps and ignores every signal it can
 * expect: WALL_TIME_LIMIT
 */
#include "attack.h"

int main(void)
{
    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    for (;;)
        sleep(1000);
}
