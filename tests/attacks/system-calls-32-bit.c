/*
 * attack: enters the kernel through the 32-bit and x32 doors, past a filter that knows only one
 * expect: RUNTIME_ERROR OK
 */
#include "attack.h"

int main(void)
{
#ifdef __x86_64__
    must_fail("getpid by the x32 table", syscall(0x40000000 | 39));
    must_fail("mount by the x32 table", syscall(0x40000000 | 165, "none", "/tmp", "tmpfs", 0, NULL));
    long result;
    /* 20 is getpid in the 32-bit table. */
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    if (result > 0)
        printf("BREACH int 0x80 gave %ld\n", result);
#endif
    return held();
}
