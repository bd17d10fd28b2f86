package simulate

import "math"

// dice is chance that depends on a seed and a place alone, so that every policy meets the same: the same arrivals in the
// same quarter of a second, whatever it did before.
type dice uint64

// at is 64 random bits for a place.
func (d dice) at(place uint64) uint64 { // splitmix64
	z := uint64(d) + place*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// split is another stream of the same seed.
func (d dice) split(name uint64) dice { return dice(d.at(name ^ 0xa5a5a5a5a5a5a5a5)) }

// unit is in (0, 1).
func unit(bits uint64) float64 { return (float64(bits>>11) + 0.5) / (1 << 53) }

// normals are the quantiles of the standard normal distribution, at the middles of equal shares.
var normals = func() (t [4096]float64) {
	for i := range t {
		t[i] = math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/float64(len(t))-1)
	}
	return t
}()

// few is the mean up to which a Poisson count is drawn exactly; above, the normal distribution is close enough.
const few = 12

// poisson is a Poisson count, and a standard normal number beside it.
func poisson(bits uint64, mean float64) (n, z float64) {
	z = normals[bits&4095]
	if mean <= 0 {
		return 0, z
	}
	if mean > few {
		return max(0, math.Floor(mean+math.Sqrt(mean)*normals[bits>>52]+0.5)), z
	}
	u := unit(bits)
	p := math.Exp(-mean)
	for sum := p; u > sum && n < 100; sum += p {
		n++
		p *= mean / n
	}
	return n, z
}
