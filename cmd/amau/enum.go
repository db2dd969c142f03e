package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// enumFlag adds a flag that takes one of a few words, refuses others, and completes them in a
// shell. The usage text is followed by the words; the first of them is the default.
func enumFlag(cmd *cobra.Command, name, usage string, words ...string) *string {
	v := newEnum(words...)
	cmd.Flags().Var(&v, name, usage+": "+v.list())
	if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // only a flag that is not there; it was added a line above
	}
	return &v.value
}

// enumValue is a flag's value that is one of a few words.
type enumValue struct {
	value string
	words []string
}

func newEnum(words ...string) enumValue { return enumValue{value: words[0], words: words} }

func (v *enumValue) String() string { return v.value }
func (v *enumValue) Type() string   { return "word" }

func (v *enumValue) Set(s string) error {
	if !slices.Contains(v.words, s) {
		return fmt.Errorf("it must be %s", v.list())
	}
	v.value = s
	return nil
}

func (v *enumValue) list() string {
	last := len(v.words) - 1
	if last == 0 {
		return v.words[0]
	}
	return strings.Join(v.words[:last], ", ") + " or " + v.words[last]
}
