/*
 * attack: writes to the system's files
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    must_not_write("/etc/passwd");
    must_not_write("/bin/sh");
    must_not_write("/usr/bin/python3");
    must_fail("file in /usr", open("/usr/lib/evil.so", O_CREAT | O_WRONLY, 0755));
    must_fail("file in /", open("/evil", O_CREAT | O_WRONLY, 0755));
    must_fail("file in /etc", open("/etc/ld.so.preload", O_CREAT | O_WRONLY, 0644));
    must_fail("file in /dev", open("/dev/evil", O_CREAT | O_WRONLY, 0644));
    must_fail("unlink", unlink("/usr/bin/env"));
    must_fail("chmod", chmod("/usr/bin/env", 04755));
    return held();
}
