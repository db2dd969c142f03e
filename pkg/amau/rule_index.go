package amau

import "math/bits"

// ruleIndex finds an event type's rule. Every event of a file is looked up, most of them twice, and
// most have no rule: a few bytes of the type tell that, where a map would hash all of it.
type ruleIndex struct {
	slots []int32 // :: slot -> 1 + place in the list of rules; 0: none. At most half of them are taken
	shift int
}

// newRuleIndex returns an index of rules with different types.
func newRuleIndex(list []Rule) ruleIndex {
	size := bits.Len(uint(len(list))) + 2
	x := ruleIndex{slots: make([]int32, 1<<size), shift: 64 - size}
	for i := range list {
		slot := x.slot(list[i].Type)
		for x.slots[slot] != 0 {
			slot = x.after(slot)
		}
		x.slots[slot] = int32(i + 1)
	}
	return x
}

// find returns the type's place in the list that the index was made of, -1 when it is not there.
func (x *ruleIndex) find(list []Rule, eventType string) int {
	if len(x.slots) == 0 {
		return -1
	}
	for slot := x.slot(eventType); ; slot = x.after(slot) {
		i := int(x.slots[slot]) - 1
		if i < 0 || list[i].Type == eventType {
			return i
		}
	}
}

// slot returns where the search for a type begins.
func (x *ruleIndex) slot(eventType string) int {
	n := len(eventType)
	h := uint64(n)
	if n >= 8 {
		h += eightBytes(eventType[n-8:]) ^ bits.RotateLeft64(eightBytes(eventType[n/2-4:]), 29)
	} else {
		for i := range n {
			h = h<<8 | uint64(eventType[i])
		}
	}
	return int(h * 0x9e3779b97f4a7c15 >> x.shift)
}

// after returns the slot that is tried after another.
func (x *ruleIndex) after(slot int) int { return (slot + 1) & (len(x.slots) - 1) }

func eightBytes(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
