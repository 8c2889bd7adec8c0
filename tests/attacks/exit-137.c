/*
 * attack: exits with 137, as if it had been killed
 * expect: RUNTIME_ERROR
 */
#include "attack.h"

int main(void)
{
    exit(137);
}
