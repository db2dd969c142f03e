//go:build race

package pull_test

// raceDetector says that this test binary has the race detector in it.
const raceDetector = true
