package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The attributes of the layout.
const (
	attrFormat = "f" // layoutFormat
	attrShards = "n"
)

// layoutFormat is raised when items change so that an older program would misread them.
const layoutFormat = 1

var layoutKey = key{"m|table", "layout"}

func validShards(n int) bool { return n >= 1 && n <= 64 && 64%n == 0 }

// readShards returns the number of shards of the table, 0 when nothing was ever claimed in it.
func (l *Ledger) readShards(ctx context.Context) (int, error) {
	if n := l.shards.Load(); n > 0 {
		return int(n), nil
	}
	it, err := l.getItem(ctx, layoutKey)
	if err != nil {
		return 0, fmt.Errorf("read the layout of table %s: %w", l.table, err)
	}
	if it == nil {
		return 0, nil
	}
	if f := integerOf(it, attrFormat); f != layoutFormat {
		return 0, fmt.Errorf("table %s has format %d, this program knows format %d: use the version that wrote it", l.table, f, layoutFormat)
	}
	n := int(integerOf(it, attrShards))
	if !validShards(n) {
		return 0, fmt.Errorf("table %s says that it has %d shards, which cannot be", l.table, n)
	}
	l.shards.Store(int32(n))
	return n, nil
}

// settleShards returns the number of shards of the table, and writes it down if nobody has
// before: all writers must agree on it, or they would claim the same user in two places. Of
// several first writers one wins and the others take its number.
func (l *Ledger) settleShards(ctx context.Context) (int, error) {
	n, err := l.readShards(ctx)
	if n > 0 || err != nil {
		return n, err
	}
	it := layoutKey.item()
	it[attrFormat] = integer(layoutFormat)
	it[attrShards] = integer(int64(l.opt.Shards))
	err = l.putItem(ctx, &dynamodb.PutItemInput{Item: it, ConditionExpression: aws.String(notThere)}, l.opt.Attempts)
	if _, isConflict := conflictOf(err); err != nil && !isConflict {
		return 0, fmt.Errorf("write down the layout of table %s: %w", l.table, err)
	}
	return l.readShards(ctx)
}

// TableMaker is the part of [dynamodb.Client] that [CreateTable] uses.
type TableMaker interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// CreateTable makes an empty table that a ledger can use, paid by request, and waits until it
// is ready; a table that is there is left as it is. It is for tests and for trying things out:
// the table of a deployment comes from the template, which also protects it from loss.
func CreateTable(ctx context.Context, client TableMaker, name string) error {
	_, err := client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(attrPK), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrSK), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(attrPK), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(attrSK), KeyType: types.KeyTypeRange},
		},
	})
	var exists *types.ResourceInUseException
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	waiter := dynamodb.NewTableExistsWaiter(client)
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)}, 5*time.Minute); err != nil {
		return fmt.Errorf("wait for table %s: %w", name, err)
	}
	return nil
}
