//go:build !race

package main

// raceDetector says that this test binary has the race detector in it.
const raceDetector = false
