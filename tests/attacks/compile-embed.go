// attack: has the compiler follow a pattern out of the work directory
// expect: COMPILE_ERROR
package main

import _ "embed"

//go:embed ../etc/passwd
var passwd string

func main() { println("BREACH", passwd) }
