/*
 * attack: mounts, unmounts, and changes its root
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    mkdir("/tmp/m", 0700);
    must_fail("mount of tmpfs", mount("none", "/tmp/m", "tmpfs", 0, NULL));
    must_fail("mount of proc", mount("none", "/tmp/m", "proc", 0, NULL));
    must_fail("bind of /", mount("/", "/tmp/m", NULL, MS_BIND | MS_REC, NULL));
    must_fail("remount of / for writing", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
    must_fail("remount of /usr for writing", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
    must_fail("umount of /proc", umount2("/proc", MNT_DETACH));
    must_fail("umount of /tmp", umount2("/tmp", MNT_DETACH));
    must_fail("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp/m"));
    must_fail("chroot", chroot("/tmp"));
    must_fail("fsopen", syscall(430, "tmpfs", 0));
    must_fail("open_tree", syscall(428, -100, "/", 1));
    must_fail("move_mount", syscall(429, -100, "/tmp", -100, "/tmp/m", 0));
    must_fail("mount_setattr", syscall(442, -100, "/", 0, NULL, 0));
    return held();
}
