/*
 * attack: an initialised array that makes an executable of 8 GiB
 * expect: COMPILE_ERROR
 */
char giant[8UL << 30] = {1};
int main(void) { return giant[0]; }
