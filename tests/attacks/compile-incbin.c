/*
 * attack: has the assembler take in a file of the host
 * expect: COMPILE_ERROR
 */
__asm__(".incbin \"/etc/shadow\"");
int main(void) { return 0; }
