/*
 * attack: System V shared memory that would outlive the program
 * expect: OK MEMORY_LIMIT
 */
#include "attack.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(void)
{
    for (int i = 0; i < 64; i++) {
        int id = shmget(0x636f6465 + i, 64 << 20, IPC_CREAT | 0666);
        if (id < 0)
            break;
        char *block = shmat(id, NULL, 0);
        if (block != (char *)-1)
            memset(block, 1, 64 << 20);
    }
    msgget(0x636f6465, IPC_CREAT | 0666);
    semget(0x636f6465, 1, IPC_CREAT | 0666);
    return held();
}
