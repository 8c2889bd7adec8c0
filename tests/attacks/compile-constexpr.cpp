// attack: has the compiler compute for ever
// expect: COMPILE_ERROR
constexpr unsigned long spin(unsigned long n) { unsigned long sum = 0; for (unsigned long i = 0; i < n; i++) for (unsigned long j = 0; j < n; j++) sum += i ^ j; return sum; }
constexpr unsigned long value = spin(1UL << 31);
int main() { return value & 1; }
