/*
 * attack: loads modules, another kernel, swap; restarts the machine; reads its log
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

#include <sys/klog.h>
#include <sys/swap.h>

int main(void)
{
    must_fail("init_module", syscall(SYS_init_module, "", 0, ""));
    must_fail("finit_module", syscall(SYS_finit_module, 0, "", 0));
    must_fail("delete_module", syscall(SYS_delete_module, "x", 0));
    must_fail("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    must_fail("kexec_file_load", syscall(320, 0, 0, 0, "", 0));
    must_fail("swapon", swapon("/tmp/swap", 0));
    must_fail("swapoff", swapoff("/tmp/swap"));
    must_fail("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, NULL));
    must_fail("syslog", klogctl(3, NULL, 0));
    must_fail("acct", syscall(SYS_acct, "/tmp/acct"));
    must_fail("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL));
    must_fail("vhangup", syscall(SYS_vhangup));
    return held();
}
