//go:build !amd64

package okta

// Only for amd64 there is something that follows steps faster than [lineReader.walk] does alone.
type (
	wideStep struct{}
	cursor   struct{}
)

func (f *forms) widen() {}

func (c *cursor) begin(*lineReader) {}

func (c *cursor) follow(pos int, i uint32, seen nameSet) (int, uint32, nameSet) { return pos, i, seen }
