/*
 * attack: starts threads until it is refused
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

#include <pthread.h>

static void *wait_for_ever(void *unused)
{
    pause();
    return unused;
}

int main(void)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 16384);
    for (int i = 0; i < 100000; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &small, wait_for_ever, NULL) != 0) {
            printf("refused thread %d\n", i);
            return held();
        }
    }
    puts("BREACH 100000 threads");
}
