package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
)

// Folder puts each mail into a file of its own, ID.eml, which mail programs open. Sending a mail
// again replaces its file. It is safe for concurrent use, also by several processes.
type Folder struct{ dir string }

var _ Sender = (*Folder)(nil)

// NewFolder returns a sender into the folder dir, which Send makes when it is not there.
func NewFolder(dir string) *Folder { return &Folder{dir} }

// Send writes the file. It is there as a whole, or not at all; after nil it outlives a power cut.
func (f *Folder) Send(ctx context.Context, m *Message) error {
	const doing = "write the mail into a folder"
	raw, err := m.MIME()
	if err != nil {
		return failed(m, Refused, doing, err)
	}
	if err := ended(ctx, m, doing); err != nil {
		return err
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return failed(m, Deferred, doing, err)
	}
	if err := f.write(m.ID+".eml", raw); err != nil {
		return failed(m, Deferred, doing, err)
	}
	return nil
}

// write makes data the content of a file. A crash before the rename leaves a hidden file beside it.
func (f *Folder) write(name string, data []byte) (err error) {
	temp := filepath.Join(f.dir, "."+name+"."+rand.Text()[:8]+".tmp")
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err = os.Rename(temp, filepath.Join(f.dir, name)); err != nil {
		return err
	}
	return syncDir(f.dir)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
