package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// samples is what a package's benchmarks reported, each run's value of a unit.
type samples map[string][]float64 // :: "name unit" -> values

// of returns the values of a benchmark, fewer than runs of them being an error.
func (s samples) of(name, unit string, runs int) ([]float64, error) {
	values := s[name+" "+unit]
	if len(values) < runs {
		return nil, fmt.Errorf("%s reported %s %d times, not %d", name, unit, len(values), runs)
	}
	return values, nil
}

// all returns the values of several units of one benchmark.
func (s samples) all(name string, runs int, units ...string) (map[string]float64, error) {
	values := map[string]float64{}
	for _, unit := range units {
		list, err := s.of(name, unit, runs)
		if err != nil {
			return nil, err
		}
		values[unit] = median(list)
	}
	return values, nil
}

// testBinary builds the tests of a package and returns the binary's path.
func (b *bench) testBinary(ctx context.Context, pkg string) (string, error) {
	out := filepath.Join(b.dir, strings.ReplaceAll(pkg, "/", "-")+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", out, "./"+pkg)
	cmd.Dir = b.root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the tests of %s: %w: %s", pkg, err, text)
	}
	return out, nil
}

// runTests runs a package's test binary and returns its output. A test or benchmark that misses
// a program fails rather than be skipped.
func (b *bench) runTests(ctx context.Context, binary, pkg string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = filepath.Join(b.root, pkg)
	cmd.Env = append(os.Environ(), "CI=true", "AMAU_TOOLS="+b.tools)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("test %s: %w: %s", pkg, err, out)
	}
	return out, nil
}

// benchmarks runs those of a package that match, all of them so many times in turn: a process
// each, for in one process Go repeats the first before it goes on to the second.
func (b *bench) benchmarks(ctx context.Context, pkg, pattern, benchtime string, runs int) (samples, error) {
	binary, err := b.testBinary(ctx, pkg)
	if err != nil {
		return nil, err
	}
	s := samples{}
	for range runs {
		out, err := b.runTests(ctx, binary, pkg, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", benchtime, "-test.timeout", "20m")
		if err != nil {
			return nil, err
		}
		s.parse(out)
	}
	return s, nil
}

var processors = regexp.MustCompile(`-\d+$`)

// parse adds the values of the lines "BenchmarkName/sub-2   N   value unit   value unit …".
func (s samples) parse(out []byte) {
	for line := range bytes.Lines(out) {
		fields := strings.Fields(string(line))
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				s[name+" "+fields[i+1]] = append(s[name+" "+fields[i+1]], value)
			}
		}
	}
}
