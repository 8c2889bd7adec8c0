/*
 * attack: includes itself, each time twice
 * expect: COMPILE_ERROR
 */
#include __FILE__
#include __FILE__
int main(void) { return 0; }
