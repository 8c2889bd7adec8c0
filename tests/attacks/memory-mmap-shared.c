/*
 * attack: shared anonymous memory, which no process seems to own
 * expect: MEMORY_LIMIT
 */
#include "attack.h"

int main(void)
{
    for (;;) {
        char *block = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (block != MAP_FAILED)
            memset(block, 1, 16 << 20);
    }
}
