package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// annotationEnv on a flag names its variable where that is not made from the flag's name.
const annotationEnv = "amau-env"

// envOf returns the environment variable of a flag: AMAU_ and its name, with underscores; ""
// for those that make no sense as a setting.
func envOf(f *pflag.Flag) string {
	if f.Name == "help" || f.Name == "version" {
		return ""
	}
	if other := f.Annotations[annotationEnv]; len(other) > 0 {
		return other[0]
	}
	return "AMAU_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// describeEnv adds to the usage text of each flag the variable that sets it.
func describeEnv(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := envOf(f)
		if name != "" && !strings.Contains(f.Usage, "$"+name) {
			f.Usage += " [$" + name + "]"
		}
	})
}

// setFromEnv sets every flag that was not given from its variable. An empty variable is as
// good as none. A flag that can be repeated takes values separated by commas.
func (a *app) setFromEnv(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := envOf(f)
		if f.Changed || name == "" || failed != nil {
			return
		}
		value := strings.TrimSpace(a.getenv(name))
		if value == "" {
			return
		}
		a.fromEnv[f.Name] = name
		if list, repeats := f.Value.(pflag.SliceValue); repeats {
			failed = list.Replace(splitList(value))
			f.Changed = true
		} else {
			failed = f.Value.Set(value)
			f.Changed = true
		}
		if failed != nil {
			failed = usagef("%s is %q: %w", name, value, failed)
		}
	})
	return failed
}

// splitList returns the parts of a list separated by commas, without spaces and empty ones.
func splitList(s string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// flagName returns how the user gave a flag: --contract, or AMAU_CONTRACT.
func (a *app) flagName(flag string) string {
	if name, ok := a.fromEnv[flag]; ok {
		return name
	}
	return "--" + flag
}
