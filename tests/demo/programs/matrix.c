/* Raises a matrix to a power. */
#include <stdio.h>
#include <string.h>

int main(void) {
    long n, power, base[8][8], result[8][8] = {{0}}, next[8][8];
    if (scanf("%ld %ld", &n, &power) != 2 || n > 8) return 2;
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++)
            if (scanf("%ld", &base[i][j]) != 1) return 2;
    for (long i = 0; i < n; i++) result[i][i] = 1;
    while (power-- > 0) {
        memset(next, 0, sizeof next);
        for (long i = 0; i < n; i++)
            for (long j = 0; j < n; j++)
                for (long k = 0; k < n; k++) next[i][j] += result[i][k] * base[k][j];
        memcpy(result, next, sizeof next);
    }
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) printf("%ld%c", result[i][j], j + 1 < n ? ' ' : '\n');
    return 0;
}
