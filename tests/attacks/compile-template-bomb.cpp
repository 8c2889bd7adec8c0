// attack: templates that instantiate each other without end
// expect: COMPILE_ERROR
template <int N, int M> struct Bomb { using type = typename Bomb<N - 1, M * 2 + 1>::type; typename Bomb<N - 1, M * 2>::type left; type right; };
template <int M> struct Bomb<0, M> { using type = Bomb<0, M>; };
Bomb<200, 0> bomb;
int main() { return sizeof bomb; }
