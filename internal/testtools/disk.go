package testtools

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Disk is a small file system of its own, to be filled and to be made read-only.
type Disk struct {
	Dir string // where it is mounted
	t   testing.TB
	as  []string // what makes a command one of root's
}

// SmallDisk mounts an empty disk of so many kilobytes, which goes away with the test. Only root may mount: where the test is not
// root's, and sudo asks for a password, it is skipped, or fails with CI=true.
func SmallDisk(t testing.TB, kilobytes int) *Disk {
	t.Helper()
	d := &Disk{Dir: t.TempDir(), t: t}
	if os.Geteuid() != 0 {
		d.as = []string{"sudo", "-n"}
	}
	if err := d.run("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dk,uid=%d,gid=%d,mode=700", kilobytes, os.Geteuid(), os.Getegid()), "tmpfs", d.Dir); err != nil {
		missing(t, fmt.Errorf("a small disk is %w: %w; run the test as root", errNotInstalled, err))
	}
	t.Cleanup(func() {
		if err := d.run("umount", d.Dir); err != nil {
			t.Error(err)
		}
	})
	return d
}

// ReadOnly makes the disk read-only, or writable again. No file may be open for writing.
func (d *Disk) ReadOnly(is bool) {
	d.t.Helper()
	mode := "remount,rw"
	if is {
		mode = "remount,ro"
	}
	if err := d.run("mount", "-o", mode, d.Dir); err != nil {
		d.t.Fatal(err)
	}
}

// Resize gives the disk another size, in kilobytes. It must hold what is there.
func (d *Disk) Resize(kilobytes int) {
	d.t.Helper()
	if err := d.run("mount", "-o", fmt.Sprintf("remount,size=%dk", kilobytes), d.Dir); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Disk) run(command ...string) error {
	command = append(d.as, command...)
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w", command, errors.Join(err, errors.New(string(out))))
	}
	return nil
}
