// Encoding with klauspost/reedsolomon on one thread, in GB/s of original data: what docs/kernels.md puts beside the
// Reed-Solomon codes. It is a program of its own, so its figures are of a run of their own.
//
// Debian: apt-get install golang-go golang-github-klauspost-reedsolomon-dev, then
// GO111MODULE=off GOPATH=/usr/share/gocode go run benches/klauspost/main.go
package main

import (
	"fmt"
	"math/rand"
	"sort"
	"time"

	"github.com/klauspost/reedsolomon"
)

const rounds = 9
const sample = 3 * time.Millisecond

func main() {
	shapes := [][2]int{{6, 3}, {8, 3}, {10, 4}}
	sizes := []struct {
		name          string
		data, stripes int
	}{{"L2-256K", 256 << 10, 1}, {"L2-512K", 512 << 10, 1}, {"L3", 1 << 20, 8}, {"DRAM", 1 << 20, 512}}
	for _, shape := range shapes {
		for _, size := range sizes {
			fmt.Printf("%d+%d %s %.1f\n", shape[0], shape[1], size.name, measure(shape[0], shape[1], size.data, size.stripes))
		}
	}
}

// Encodes stripes in turns and returns the median of the rounds.
func measure(data, parity, bytes, stripes int) float64 {
	encoder, err := reedsolomon.New(data, parity, reedsolomon.WithMaxGoroutines(1))
	if err != nil {
		panic(err)
	}
	length := bytes / data / 64 * 64
	all := make([][][]byte, stripes)
	for stripe := range all {
		for column := 0; column < data+parity; column++ {
			cells := make([]byte, length)
			rand.Read(cells)
			all[stripe] = append(all[stripe], cells)
		}
	}
	next, figures := 0, []float64{}
	for round := 0; round <= rounds; round++ {
		began, done := time.Now(), 0
		for time.Since(began) < sample {
			for repeat := 0; repeat < 16; repeat++ {
				if err := encoder.Encode(all[next]); err != nil {
					panic(err)
				}
				next = (next + 1) % stripes
				done += length * data
			}
		}
		if round > 0 {
			figures = append(figures, float64(done)/time.Since(began).Seconds()/1e9)
		}
	}
	sort.Float64s(figures)
	return figures[len(figures)/2]
}
