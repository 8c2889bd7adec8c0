/*
 * attack: writes to the kernel's settings
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    must_not_write("/proc/sys/kernel/core_pattern");
    must_not_write("/proc/sys/kernel/hostname");
    must_not_write("/proc/sys/vm/overcommit_memory");
    must_not_write("/proc/sys/kernel/ns_last_pid");
    must_not_write("/proc/sysrq-trigger");
    must_not_write("/proc/self/oom_score_adj");
    must_not_write("/proc/self/uid_map");
    must_not_write("/proc/1/oom_score_adj");
    must_not_read("/proc/kcore");
    must_not_read("/proc/kpagecount");
    return held();
}
