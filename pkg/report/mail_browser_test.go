package report_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Mails are read on a desk and on a telephone, in the light and in the dark, by programs that
// show HTML as a browser without scripts does.
func TestMailInABrowser(t *testing.T) {
	b := browser(t)
	dir := t.TempDir()
	for name, letter := range letters(t) {
		file := filepath.Join(dir, name+".html")
		if err := os.WriteFile(file, []byte(letter.HTML), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{600, 360} {
			for _, dark := range []bool{false, true} {
				view := fmt.Sprintf("mail-%s-%d", name, width)
				if dark {
					view += "-dark"
				}
				t.Run(view, func(t *testing.T) {
					p := open(t, b, "file://"+file, width, 800, dark)
					p.check(t, "headings", "width", "contrast", "bars")
					p.shoot(t, view)
					p.quiet(t)
				})
			}
		}
	}
}
