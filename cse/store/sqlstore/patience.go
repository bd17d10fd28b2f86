package sqlstore

import "time"

// patience decides how long whoever is to store the next group waits for more creations to join it. Clients that wait for their answers
// come back just after they have them, when the next group, of those that came meanwhile, is on its way: then two groups of half the size
// take turns, and each pays for a commit of its own. Waiting for those that come back makes it one. Where nobody comes back, as with
// clients that send when they have something, waiting only costs time, which is noticed, and left for a while. The zero patience is ready
// for use and waits for nobody yet.
type patience struct {
	took    time.Duration // how long storing a group takes, a moving average
	expect  int           // creations that were under way when the last group was stored: its own and those that waited
	doubt   int           // how often of late waiting was not worth it
	skipped int           // groups since waiting was given up
}

const (
	// patienceShare is what part of the time that a group takes is waited at most: a half.
	patienceShare = 2
	// mostPatience bounds that for databases that are slow.
	mostPatience = 5 * time.Millisecond
	// mostDoubt is after how many waits in vain it is given up, and retryPatience after how many groups it is tried again.
	mostDoubt, retryPatience = 2, 50
)

// wait is how many creations are worth waiting for and how long, given that so many are there; 0 is not at all.
func (p *patience) wait(there int) (until int, limit time.Duration) {
	if there >= p.expect || p.took == 0 {
		return 0, 0
	}
	if p.doubt >= mostDoubt {
		if p.skipped++; p.skipped < retryPatience {
			return 0, 0
		}
		p.skipped, p.doubt = 0, mostDoubt-1 // one more try
	}
	return p.expect, min(p.took/patienceShare, mostPatience)
}

// waited tells what a wait has brought: there were before creations and there are after.
func (p *patience) waited(before, after int, took time.Duration) {
	// Worth it is what has more creations stored in the same time: after/(took+p.took) > before/p.took.
	if float64(after-before)*float64(p.took) > float64(before)*float64(took) {
		p.doubt = max(p.doubt-1, 0)
	} else {
		p.doubt = min(p.doubt+1, mostDoubt)
	}
}

// stored tells that a group of n was stored, which took so long, and how many wait by now.
func (p *patience) stored(n, waiting int, took time.Duration) {
	if p.took == 0 {
		p.took = took
	}
	p.took += (took - p.took) / 8
	p.expect = min(n+waiting, maxGroup)
}
