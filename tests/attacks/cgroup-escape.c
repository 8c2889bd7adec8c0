/*
 * attack: looks for control groups to write to, and tries to mount them
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    must_not_write("/sys/fs/cgroup/cgroup.procs");
    must_not_write("/sys/fs/cgroup/memory/cgroup.procs");
    must_not_write("/sys/fs/cgroup/memory/release_agent");
    must_not_write("/sys/fs/cgroup/unified/cgroup.procs");
    must_not_write("/sys/kernel/uevent_helper");
    mkdir("/tmp/cgroup", 0700);
    must_fail("mount of cgroup", mount("none", "/tmp/cgroup", "cgroup", 0, "memory"));
    must_fail("mount of cgroup2", mount("none", "/tmp/cgroup", "cgroup2", 0, NULL));
    return held();
}
