/*
 * attack: changes descriptor tables, ports and personality
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
#ifdef __x86_64__
    char entry[16] = {0};
    must_fail("modify_ldt", syscall(SYS_modify_ldt, 1, entry, sizeof entry));
    must_fail("iopl", syscall(SYS_iopl, 3));
    must_fail("ioperm", syscall(SYS_ioperm, 0, 1, 1));
#endif
    must_fail("personality without address randomisation", syscall(SYS_personality, 0x0040000));
    return held();
}
