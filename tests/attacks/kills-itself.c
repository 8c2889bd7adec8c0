/*
 * attack: sends itself SIGKILL, as if the system had done it
 * expect: RUNTIME_ERROR
 */
#include "attack.h"

int main(void)
{
    raise(SIGKILL);
}
