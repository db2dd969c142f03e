# `make` lists the targets. docs/development.md tells more.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export AMAU_TOOLS ?= $(CURDIR)/.tools

VERSION ?= $(shell scripts/version)
FUZZTIME ?= 30s
SOAKTIME ?= 1m
ARCH ?= arm64

# What the tests start; scripts/tools says what each is. With CI=true a test fails when its program is missing here.
TEST_TOOLS := cc staticcheck dynamodb-local sam ministack chromium
BENCH_TOOLS := dynamodb-local duckdb sam ministack

# More packages at a time than there are processors, for many wait. make lint does what -vet would.
GO_TEST := CGO_ENABLED=1 go test -vet=off -p 4 -shuffle=on -count=1 -timeout 20m

# What has no use for the detector at all: packages without goroutines, and tests of PLAIN_IN that compute for long in one, or
# count allocations, of which it makes more. scripts/scripts_test.go sees to it that each of them is run.
PLAIN := ./pkg/chart ./pkg/report ./pkg/statement
PLAIN_IN := ./cmd/amau ./pkg/amau ./pkg/okta ./pkg/simulate ./pkg/ledger/sqlite
PLAIN_TESTS := ^(TestForecastBacktest|TestYearsTileTime|TestPeriodsEqualTheModel|TestAllocations|TestReadTooLongLine|TestLinesAreReadAlike|TestLinesAreReadAlikeWithoutAVX2|TestDamagedLinesAreReadAlike|TestRandomLinesAreReadAlike|TestRowsHoldAllClaims|TestOlderLedgerIsBroughtUpToDate|TestOthersReadEachClaim|TestWhatIsAcknowledgedIsInTheFiles|TestOperations|TestTruthInEveryShape|TestRecountInSQL)$$

FUNCTIONS := HookFunction DrainFunction ReportFunction PullFunction

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the command, bin/amau
	CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/amau ./cmd/amau

.PHONY: functions
functions: $(FUNCTIONS:%=build-%) ## build the four Lambda functions into dist/ (ARCH=arm64 or x86_64); sam build does it itself

.PHONY: $(FUNCTIONS:%=build-%)
$(FUNCTIONS:%=build-%): build-%:
ifneq ($(ARTIFACTS_DIR),)
	$(error sam build must come by functions/Makefile, which tells how, to know the architecture)
endif
	@test -d infra/arch/$(ARCH) || { echo "ARCH is $(ARCH): use arm64 or x86_64" >&2; exit 1; }
	@mkdir -p dist/$*
	$(MAKE) --no-print-directory -C infra/arch/$(ARCH) -f ../../../functions/Makefile $@ ARTIFACTS_DIR=$(CURDIR)/dist/$*

.PHONY: test
test: ## everything that a change must pass: checks, then all tests, with the race detector, on the real local services
	scripts/tools $(TEST_TOOLS)
	$(MAKE) --no-print-directory lint
	$(GO_TEST) $(PLAIN)
	$(GO_TEST) -run '$(PLAIN_TESTS)' $(PLAIN_IN)
	$(GO_TEST) -race -skip '$(PLAIN_TESTS)' $$(go list ./... | grep -v $(PLAIN:./%=-e '/%$$'))

.PHONY: test-quick
test-quick: ## go test ./..., with what is installed; tests that miss a program are skipped
	go test ./...
	@missing=$$(scripts/tools --missing $(filter-out cc staticcheck,$(TEST_TOOLS)) | xargs); \
		[ -z "$$missing" ] || echo "skipped what needs $$missing: make test installs that"

.PHONY: lint
lint: ## gofmt, vet, staticcheck, go.mod, template.yaml
	@scripts/tools staticcheck
	@scripts/check-gofmt
	go vet ./...
	$(AMAU_TOOLS)/bin/staticcheck ./...
	go mod tidy -diff
	go mod verify
	@if [ -f template.yaml ]; then scripts/tools sam && $(AMAU_TOOLS)/bin/sam validate --lint --template-file template.yaml; fi

.PHONY: vulncheck
vulncheck: ## known vulnerabilities in what is linked (asks the Go vulnerability database; GOVULNDB is another one)
	scripts/vulncheck

.PHONY: licences
licences: ## compare docs/licences.csv with the licences of what is linked and tested with
	scripts/licences --check

.PHONY: sbom
sbom: build functions ## a bill of materials for the command and each function, into dist/sbom/
	scripts/sbom

.PHONY: reproducible
reproducible: ## build the commit twice, in two places, and compare the digests
	scripts/reproducible

.PHONY: bench
bench: ## the numbers that are promised, beside their references (BENCH_LONG=1: growth and 5 GB too)
	@scripts/tools $(BENCH_TOOLS)
	go run ./internal/bench $(if $(BENCH_LONG),-long)

.PHONY: bench-go
bench-go: ## all benchmarks beside the code
	@scripts/tools $(BENCH_TOOLS)
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s, or a number of inputs like 500000x), and add up the inputs
	scripts/fuzz $(FUZZTIME)

.PHONY: soak
soak: ## break it on purpose: each TestSoak… for at least SOAKTIME (1m) and many rounds; says what it did
	scripts/soak $(SOAKTIME)

.PHONY: fuzz-keep
fuzz-keep: ## put the worthwhile inputs that fuzzing found among the seeds
	scripts/fuzz-keep

.PHONY: demo
demo: ## count a simulated contract year on this machine, and show it
	scripts/demo

.PHONY: clean
clean: ## remove what was built; the installed tools stay in .tools/
	rm -rf bin dist .aws-sam .bench test-output
