/*
 * attack: reads and writes the memory of other processes
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

#include <sys/uio.h>

int main(void)
{
    char buffer[16];
    struct iovec local = {buffer, sizeof buffer}, remote = {(void *)main, sizeof buffer};
    must_fail("process_vm_readv", process_vm_readv(1, &local, 1, &remote, 1, 0));
    must_fail("process_vm_writev", process_vm_writev(1, &local, 1, &remote, 1, 0));
    must_fail("pidfd_getfd", syscall(438, syscall(434, 1, 0), 0, 0));
    must_fail("kcmp", syscall(SYS_kcmp, 1, getpid(), 0, 0, 0));
    must_not_read("/proc/1/mem");
    must_not_read("/proc/1/environ");
    return held();
}
