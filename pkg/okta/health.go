package okta

// healthFilter selects the events that tell how hooks and streams fare.
const healthFilter = `eventType eq "event_hook.delivery" or eventType sw "system.operation.rate_limit." or eventType sw "system.log_stream.lifecycle."`
