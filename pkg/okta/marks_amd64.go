package okta

import "golang.org/x/sys/cpu"

// canMark says whether this machine can mark blocks faster than the scanner reads them.
func canMark() bool { return cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasPCLMULQDQ }

// mark marks as many blocks as out has elements. They begin [blockStep] apart in src.
func (k *marker) mark(out []marks, src []byte) {
	if n := len(out); n > 0 {
		_ = src[(n-1)*blockStep+blockBytes-1]
		markAVX2(&out[0], &src[0], n, k)
	}
}

// markAVX2 is in marks_amd64.s.
//
//go:noescape
func markAVX2(out *marks, src *byte, n int, k *marker)
