/*
 * attack: raises its priority, asks for real time
 * expect: OK
 * says:   HELD
 */
#include "attack.h"

int main(void)
{
    struct sched_param param = {.sched_priority = 50};
    must_fail("setpriority", setpriority(PRIO_PROCESS, 0, -20));
    must_fail("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &param));
    must_fail("SCHED_RR", sched_setscheduler(0, SCHED_RR, &param));
    must_fail("ioprio of real time", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    return held();
}
