/*
 * attack: raises its own limits
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    static const int all[] = {RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_FSIZE, RLIMIT_MEMLOCK};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct rlimit limit;
        getrlimit(all[i], &limit);
        if (limit.rlim_max == RLIM_INFINITY) {
            printf("BREACH limit %d is not set\n", all[i]);
            continue;
        }
        limit.rlim_max++;
        must_fail("setrlimit", setrlimit(all[i], &limit));
    }
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    must_fail("prlimit of pid 1", prlimit(1, RLIMIT_NOFILE, &none, NULL));
    return held();
}
