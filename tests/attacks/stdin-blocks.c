/*
 * attack: waits for input that never ends
 * expect: OK WALL_TIME_LIMIT
 */
#include "attack.h"

int main(void)
{
    char byte;
    while (read(0, &byte, 1) == 1) {
    }
    return 0;
}
