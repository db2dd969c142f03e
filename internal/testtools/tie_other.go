//go:build !linux

package testtools

import "os/exec"

// tie gives the command a standard input that ends with this process, and asks the launcher to end with it.
func tie(cmd *exec.Cmd) error {
	cmd.Env = append(cmd.Environ(), "AMAU_UNTIL_EOF=1")
	_, err := cmd.StdinPipe() // the write end stays open, unused, until the process ends
	return err
}
