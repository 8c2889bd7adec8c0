/*
 * attack: closes its output and goes on
 * expect: OK
 */
#include "attack.h"

int main(void)
{
    close(1);
    close(2);
    printf("nobody hears this\n");
    return 0;
}
