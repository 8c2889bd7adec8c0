/*
 * attack: calls that open a way into the kernel
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    char zero[256] = {0};
    must_fail("bpf", syscall(SYS_bpf, 0, zero, sizeof zero));
    must_fail("perf_event_open", syscall(SYS_perf_event_open, zero, 0, -1, -1, 0));
    must_fail("io_uring_setup", syscall(425, 8, zero));
    must_fail("io_uring_enter", syscall(426, 0, 1, 0, 0, NULL, 0));
    must_fail("userfaultfd", syscall(SYS_userfaultfd, 0));
    must_fail("userfaultfd for user mode", syscall(SYS_userfaultfd, 1));
    must_fail("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    must_fail("name_to_handle_at", syscall(SYS_name_to_handle_at, -100, "/", zero, zero, 0));
    must_fail("open_by_handle_at", syscall(SYS_open_by_handle_at, -100, zero, 0));
    must_fail("lookup_dcookie", syscall(212, 0, zero, sizeof zero));
    must_fail("vmsplice of nothing", syscall(SYS_vmsplice, -1, NULL, 0, 0));
    return held();
}
