package simulate

import (
	"math"
	"math/bits"
)

// rng is SplitMix64: small, fast and the same everywhere and for ever, which the standard
// library does not promise for its derived functions.
type rng uint64

// seeded returns a generator of its own for the given numbers.
func seeded(numbers ...uint64) rng {
	var r rng
	for _, n := range numbers {
		r = rng(r.next() ^ n)
	}
	r.next()
	return r
}

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// intn returns a number from 0 up to, but without, n.
func (r *rng) intn(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// float returns a number from 0 up to, but without, 1.
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }

func (r *rng) chance(p float64) bool { return r.float() < p }

// times returns how often something happens that happens mean times on average.
func (r *rng) times(mean float64) int {
	n := 0
	for limit, p := math.Exp(-mean), r.float(); p > limit; n++ {
		p *= r.float()
	}
	return n
}

// pick returns one of the places of weights, each as likely as its weight says.
func (r *rng) pick(weights []float64) int {
	var sum float64
	for _, w := range weights {
		sum += w
	}
	x := r.float() * sum
	for i, w := range weights {
		if x -= w; x < 0 {
			return i
		}
	}
	return len(weights) - 1
}
