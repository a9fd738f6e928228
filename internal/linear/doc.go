// Package linear records what concurrent clients see of single instances and
// entities while a hub crashes, is killed, loses messages, or has a disk that fails
// or is full, and holds that there is an order of all operations that explains it
// (porcupine checks that). It has tests only.
package linear
