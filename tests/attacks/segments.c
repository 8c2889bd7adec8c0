/*
 * attack: changes descriptor tables and the right to use ports
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
    return held();
}
