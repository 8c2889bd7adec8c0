/*
 * attack: asks for other users and for capabilities
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

#include <grp.h>

int main(void)
{
    if (getuid() == 0 || geteuid() == 0 || getgid() == 0)
        puts("BREACH runs as root");
    must_fail("setuid(0)", setuid(0));
    must_fail("setresuid(0)", setresuid(0, 0, 0));
    must_fail("setuid(1)", setuid(1));
    must_fail("setgid(0)", setgid(0));
    gid_t root = 0;
    must_fail("setgroups", setgroups(1, &root));
    gid_t groups[64];
    int count = getgroups(64, groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == 0)
            puts("BREACH is in group 0");
    for (int capability = 0; capability < 41; capability++)
        if (prctl(PR_CAPBSET_READ, capability) == 1 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
            printf("BREACH capability %d can be had\n", capability);
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        puts("BREACH new privileges can be had");
    return held();
}
