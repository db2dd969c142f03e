package testtools

import (
	"os/exec"
	"syscall"
)

// tie makes the kernel kill the command when the thread that starts it ends.
func tie(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return nil
}
