/*
 * attack: uses the kernel's keyrings, which no namespace separates
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    must_fail("add_key", syscall(SYS_add_key, "user", "evil", "x", 1, -4));
    must_fail("request_key", syscall(SYS_request_key, "user", "evil", NULL, 0));
    must_fail("keyctl", syscall(SYS_keyctl, 0, -3, 1));
    return held();
}
