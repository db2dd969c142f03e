package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker in builds by the Makefile: -ldflags "-X main.version=v1.2.3".
var version string

func newVersionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of amau",
		Long:    `Print the version of amau, the revision that it was built from, and the Go version and platform of the build.`,
		Example: `  amau version`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.stdout, versionLine())
			return err
		},
	}
}

// versionLine describes the build, as far as it is known.
func versionLine() string {
	built, revision := version, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if built == "" {
			built = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return fmt.Sprintf("amau %s%s %s %s/%s", built, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
