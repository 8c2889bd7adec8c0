/*
 * attack: writes without end
 * expect: OUTPUT_LIMIT
 */
#include "attack.h"

int main(void)
{
    static char block[65536];
    memset(block, 'x', sizeof block);
    for (;;)
        if (write(1, block, sizeof block) < 0 && errno == EPIPE)
            return 1;
}
