/*
 * attack: takes the compiler's environment and descriptors into the program
 * expect: COMPILE_ERROR OK RUNTIME_ERROR
 */
#include <stdio.h>
__asm__(".section .rodata\n.global stolen\nstolen: .incbin \"/proc/self/environ\"\n.byte 0\n.previous");
extern const char stolen[];
int main(void)
{
    for (const char *variable = stolen; *variable; variable++) {
        static const char *words[] = {"PASSWORD", "SECRET", "DATABASE", "TOKEN"};
        for (int i = 0; i < 4; i++) {
            int length = 0;
            while (words[i][length] && variable[length] == words[i][length])
                length++;
            if (!words[i][length])
                puts("BREACH the environment of the compiler holds secrets");
        }
    }
    puts("HELD");
    return 0;
}
