package report

import (
	"fmt"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// shownApps is how many applications are shown by themselves.
const shownApps = 20

// appsMeaning says how to read the numbers by application.
const appsMeaning = "A user is counted in each application that they came through in a month, " +
	"so these numbers add up to more than aMAU; events that name no application are in none of them. " +
	"They hold what was recorded while application meters were switched on."

// appLine is one application's use, or that of several.
type appLine struct {
	ID     string  // "" for several
	Name   string  // for people
	Used   int64   // over the year
	Counts []int64 // of each period
}

// apps returns the applications by their use, the first [shownApps] by themselves and the rest
// as the sum of their meters.
func apps(r *amau.Report) []appLine {
	var lines []appLine
	rest, more := appLine{Counts: make([]int64, len(r.Periods))}, 0
	for i, m := range r.Apps {
		line := appLine{Counts: make([]int64, len(r.Periods))}
		line.ID, _ = m.App()
		line.Name = line.ID
		for j := range r.Periods {
			line.Counts[j] = r.Periods[j].Counts[m]
			line.Used += line.Counts[j]
		}
		if i < shownApps && m != amau.OtherApps {
			lines = append(lines, line)
			continue
		}
		more++
		rest.Used += line.Used
		for j, n := range line.Counts {
			rest.Counts[j] += n
		}
	}
	if more == 0 {
		return lines
	}
	rest.Name = fmt.Sprintf("%d others", more)
	if r.Apps[len(r.Apps)-1] == amau.OtherApps {
		rest.Name = fmt.Sprintf("more than %d others", more-1)
		if more == 1 {
			rest.Name = "others"
		}
	} else if more == 1 {
		rest.Name = "1 other"
	}
	return append(lines, rest)
}
