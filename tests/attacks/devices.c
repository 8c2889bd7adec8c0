/*
 * attack: makes device files for the disk, the memory and the console
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

#include <sys/sysmacros.h>

int main(void)
{
    must_fail("mknod of memory", mknod("/tmp/mem", S_IFCHR | 0666, makedev(1, 1)));
    must_fail("mknod of a disk", mknod("/tmp/disk", S_IFBLK | 0666, makedev(254, 0)));
    must_fail("mknod of kmsg", mknod("kmsg", S_IFCHR | 0666, makedev(1, 11)));
    must_not_read("/dev/mem");
    must_not_read("/dev/kmsg");
    must_not_read("/dev/vda");
    must_not_read("/dev/sda");
    must_not_read("/dev/fuse");
    must_not_write("/dev/console");
    must_not_write("/dev/kvm");
    return held();
}
