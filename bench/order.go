package bench

import "math/bits"

// order is a permutation of the numbers below total that looks random: always the
// same one, and without a table, as there may be a hundred million of them.
type order struct {
	total uint64
	half  int // bits of each half of a number
}

// orderRounds is how often the halves are mixed: four make a Feistel network
// hard to tell from a random permutation.
const orderRounds = 4

// newOrder returns the permutation of 0 to total-1; total is at least 1.
func newOrder(total int) order {
	return order{total: uint64(total), half: max(bits.Len64(uint64(total-1))+1, 2) / 2}
}

// at returns the number at place i, below total. The network permutes the numbers
// below a power of four at most four times as large; what comes out too large is
// put in again, until it is not: that visits each number once, too.
func (o order) at(i int) int {
	for n := o.mix(uint64(i)); ; n = o.mix(n) {
		if n < o.total {
			return int(n)
		}
	}
}

// mix is the Feistel network.
func (o order) mix(n uint64) uint64 {
	mask := uint64(1)<<o.half - 1
	left, right := n>>o.half, n&mask
	for round := range uint64(orderRounds) {
		left, right = right, left^scramble(right+round<<32)&mask
	}
	return left<<o.half | right
}

// scramble is the finalizer of SplitMix64: each bit of the result depends on all
// of n.
func scramble(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
