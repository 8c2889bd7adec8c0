// attack: a short program with more errors than anybody wants to read
// expect: COMPILE_ERROR
template <int N> struct Flood { static const int value = Flood<N - 1>::missing + Flood<N - 2>::missing + undeclared; };
#define A f(); g(); h(); i();
#define B A A A A A A A A
#define C B B B B B B B B
#define D C C C C C C C C
int main() { D D D D return Flood<900>::value; }
