// A chain of goroutines, one for each prime: each passes on what its prime does not divide.
package main

import "fmt"

func count(from, to int, out chan<- int) {
	for number := from; number <= to; number++ {
		out <- number
	}
	close(out)
}

func filter(prime int, in <-chan int, out chan<- int) {
	for number := range in {
		if number%prime != 0 {
			out <- number
		}
	}
	close(out)
}

func main() {
	var limit, primes, largest int
	fmt.Scan(&limit)
	numbers := make(chan int)
	go count(2, limit, numbers)
	for {
		prime, isMore := <-numbers
		if !isMore {
			break
		}
		primes, largest = primes+1, prime
		rest := make(chan int)
		go filter(prime, numbers, rest)
		numbers = rest
	}
	fmt.Println(primes, "primes, the largest is", largest)
}
