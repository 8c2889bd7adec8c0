/*
 * attack: has the compiler quote the host's password file in its diagnostics
 * expect: COMPILE_ERROR
 */
#include "/etc/shadow"
int main(void) { return 0; }
