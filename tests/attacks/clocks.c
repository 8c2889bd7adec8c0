/*
 * attack: sets the clock and the names of the host
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

#include <sys/timex.h>

int main(void)
{
    struct timespec then = {.tv_sec = 1};
    struct timeval before = {.tv_sec = 1};
    struct timex skew = {.modes = ADJ_FREQUENCY, .freq = 1};
    must_fail("clock_settime", clock_settime(CLOCK_REALTIME, &then));
    must_fail("settimeofday", settimeofday(&before, NULL));
    must_fail("adjtimex", adjtimex(&skew));
    must_fail("sethostname", sethostname("evil", 4));
    must_fail("setdomainname", setdomainname("evil", 4));
    return held();
}
