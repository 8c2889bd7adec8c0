/*
 * attack: locks memory against swapping
 * expect: OK MEMORY_LIMIT
 */
#include "attack.h"

int main(void)
{
    size_t size = 64 << 20;
    char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must_fail("mlock of 64 MiB", mlock(block, size));
    must_fail("mlockall", mlockall(MCL_CURRENT | MCL_FUTURE));
    return held();
}
