/*
 * attack: includes a file that never ends
 * expect: COMPILE_ERROR
 */
#include "/dev/zero"
int main(void) { return 0; }
