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
    /* The compiler must not make a loop of it. */
    __asm__ volatile("" : : "r"(here) : "memory");
    int below = deeper(here);
    __asm__ volatile("" : : "r"(here) : "memory");
    return below + here[0];
}

int main(void)
{
    int zero = 0;
    return deeper(&zero);
}
