package sqlite

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// later is the evidence of claims that were made when the row of the user and month was there: an
// item of the column more, [meters, source, type, published, recorded, uuid].
type later struct {
	meters, source, kind int64
	published, recorded  any // as storedTime gives them
	uuid                 string
}

// appendLater adds an item to the column more.
func appendLater(list []byte, meters uint32, e *batchEvent) []byte {
	if len(list) == 0 {
		list = append(list, '[')
	} else {
		list[len(list)-1] = ','
	}
	list = strconv.AppendUint(append(list, '['), uint64(meters), 10)
	list = strconv.AppendUint(append(list, ','), uint64(e.source), 10)
	list = strconv.AppendUint(append(list, ','), uint64(e.kind), 10)
	list = appendStoredTime(append(list, ','), e.Published)
	list = appendStoredTime(append(list, ','), e.Recorded)
	return append(appendText(append(list, ','), e.UUID), "]]"...)
}

// appendText adds s as a JSON string.
func appendText(list []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			text, _ := json.Marshal(s) // of a string it cannot fail
			return append(list, text...)
		}
	}
	return append(append(append(list, '"'), s...), '"')
}

// parseLater reads the column more. SQLite's own functions would end a text at a NUL.
func parseLater(list string) ([]later, error) {
	var items [][]any
	d := json.NewDecoder(strings.NewReader(list))
	d.UseNumber()
	if err := d.Decode(&items); err != nil {
		return nil, fmt.Errorf("read later evidence: %w", err)
	}
	all := make([]later, len(items))
	for i, item := range items {
		if len(item) != 6 {
			return nil, fmt.Errorf("later evidence has %d parts", len(item))
		}
		for k := range item {
			if n, ok := item[k].(json.Number); ok {
				var err error
				if item[k], err = n.Int64(); err != nil {
					return nil, fmt.Errorf("read later evidence: %w", err)
				}
			}
		}
		l := &all[i]
		var ok [4]bool
		l.meters, ok[0] = item[0].(int64)
		l.source, ok[1] = item[1].(int64)
		l.kind, ok[2] = item[2].(int64)
		l.uuid, ok[3] = item[5].(string)
		if ok != [4]bool{true, true, true, true} {
			return nil, fmt.Errorf("later evidence is %v", item)
		}
		l.published, l.recorded = item[3], item[4]
	}
	return all, nil
}
