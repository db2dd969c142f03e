package dynamo

import (
	"maps"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Capacity adds up what a table charged, for measurements; see [Options]. The zero value is
// ready. It is safe for concurrent use.
type Capacity struct {
	mu  sync.Mutex
	ops map[string]Consumed
}

// Consumed is what requests of one kind came to.
type Consumed struct {
	Requests int64   // that were answered
	Refused  int64   // writes whose condition did not hold; they are in Requests and Write too
	Read     float64 // read request units
	Write    float64 // write request units
}

// Add adds the numbers of d to c.
func (c *Consumed) Add(d Consumed) {
	c.Requests += d.Requests
	c.Refused += d.Refused
	c.Read += d.Read
	c.Write += d.Write
}

// readPrice is the price of a read unit in write units, with on-demand capacity in every
// region: 0.125 to 0.625 USD per million in us-east-1.
const readPrice = 0.2

// WriteEquivalent returns the cost in write units, reads included at their price.
func (c Consumed) WriteEquivalent() float64 { return c.Write + readPrice*c.Read }

// ByOperation returns what each kind of request, such as PutItem, came to so far.
func (c *Capacity) ByOperation() map[string]Consumed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.ops)
}

// Total returns what all requests came to so far.
func (c *Capacity) Total() Consumed {
	var sum Consumed
	for _, op := range c.ByOperation() {
		sum.Add(op)
	}
	return sum
}

// mode is what requests ask the table to tell; a nil Capacity wants nothing.
func (c *Capacity) mode() types.ReturnConsumedCapacity {
	if c == nil {
		return "" // the member is left out
	}
	return types.ReturnConsumedCapacityTotal
}

func (c *Capacity) read(op string, used *types.ConsumedCapacity) {
	c.add(op, Consumed{Requests: 1, Read: units(used)})
}

// readKeys counts a read of single keys. DynamoDB charges half a unit for each (one if the read
// is consistent), also when nothing is there, which DynamoDB Local forgets in a batch.
func (c *Capacity) readKeys(op string, keys int, consistent bool, used *types.ConsumedCapacity) {
	least := 0.5 * float64(keys)
	if consistent {
		least = float64(keys)
	}
	c.add(op, Consumed{Requests: 1, Read: max(least, units(used))})
}

func (c *Capacity) wrote(op string, used *types.ConsumedCapacity) {
	c.add(op, Consumed{Requests: 1, Write: units(used)})
}

// refused counts a write whose condition did not hold. Its error does not say what it cost: one
// unit per KB of the larger of the two items, and all conditional items that race are small.
func (c *Capacity) refused(op string) {
	c.add(op, Consumed{Requests: 1, Refused: 1, Write: 1})
}

func (c *Capacity) add(op string, used Consumed) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ops == nil {
		c.ops = map[string]Consumed{}
	}
	sum := c.ops[op]
	sum.Add(used)
	c.ops[op] = sum
}

func units(used *types.ConsumedCapacity) float64 {
	if used == nil || used.CapacityUnits == nil {
		return 0
	}
	return *used.CapacityUnits
}
