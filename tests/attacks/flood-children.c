/*
 * attack: many children write at once
 * expect: OUTPUT_LIMIT CPU_TIME_LIMIT
 */
#include "attack.h"

int main(void)
{
    static char block[4096];
    memset(block, '\n', sizeof block);
    for (int i = 0; i < 8; i++)
        fork();
    for (;;)
        write(1 + (getpid() & 1), block, sizeof block);
}
