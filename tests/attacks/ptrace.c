/*
 * attack: traces its init, itself, and a child
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

#include <sys/ptrace.h>

int main(void)
{
    must_fail("attach to pid 1", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
    must_fail("seize pid 1", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
    must_fail("traceme", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    must_not_write("/proc/1/mem");
    return held();
}
