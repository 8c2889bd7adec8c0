/*
 * attack: dumps core, to fill the disk or to start the host's handler
 * expect: RUNTIME_ERROR
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    must_fail("core size", setrlimit(RLIMIT_CORE, &unlimited));
    held();
    fflush(stdout);
    abort();
}
