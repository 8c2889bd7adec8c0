/*
 * attack: children share the theft; the parent survives and exits with 0
 * expect: MEMORY_LIMIT
 */
#include "attack.h"

int main(void)
{
    for (int i = 0; i < 8; i++) {
        if (fork() == 0) {
            for (size_t size = 0; size < (256u << 20); size += 1 << 20)
                memset(malloc(1 << 20), 1, 1 << 20);
            pause();
        }
    }
    while (wait(NULL) > 0) {
        /* The first that is killed tells that the limit was hit. */
        kill(0, 0);
        break;
    }
    return 0;
}
