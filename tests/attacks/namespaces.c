/*
 * attack: asks for new namespaces, by every call there is
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

struct arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

int main(void)
{
    static const int flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        must_fail("unshare", unshare(flags[i]));
        if (flags[i] != 0x80)
            must_fail("clone", syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0));
        struct arguments arguments = {.flags = flags[i], .exit_signal = SIGCHLD};
        must_fail("clone3", syscall(435, &arguments, sizeof arguments));
    }
    int fd = open("/proc/1/ns/mnt", O_RDONLY);
    must_fail("setns", setns(fd, 0));
    must_fail("pidfd_open with setns", setns((int)syscall(434, 1, 0), CLONE_NEWNS));
    return held();
}
