/*
 * attack: writes lines without end to standard error
 * expect: OUTPUT_LIMIT
 */
#include "attack.h"

int main(void)
{
    for (;;)
        fputs("error: error: error: error: error: error: error: error: error: error: error\n", stderr);
}
