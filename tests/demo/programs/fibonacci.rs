// Large Fibonacci numbers modulo a prime, by squaring matrices.
use std::io::{self, BufRead};

const MODULUS: u128 = 1_000_000_007;

fn multiply(a: [u128; 4], b: [u128; 4]) -> [u128; 4] {
    let cell = |i: usize, j: usize| (a[2 * i] * b[j] + a[2 * i + 1] * b[2 + j]) % MODULUS;
    [cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1)]
}

fn main() {
    for line in io::stdin().lock().lines() {
        let mut n: u64 = line.unwrap().trim().parse().expect("a number a line");
        let (mut result, mut power) = ([1, 0, 0, 1], [1, 1, 1, 0]);
        while n > 0 {
            if n % 2 == 1 {
                result = multiply(result, power);
            }
            power = multiply(power, power);
            n /= 2;
        }
        println!("{}", result[1]);
    }
}
