/*
 * attack: recursion without end
 * expect: RUNTIME_ERROR
 */
#include "attack.h"

static volatile int depth;

__attribute__((noinline)) static int deeper(int *above)
{
    int here[256];
    here[0] = *above + 1;
    depth = here[0];
    return deeper(here) + here[0];
}

int main(void)
{
    int zero = 0;
    return deeper(&zero);
}
