# make run    build and start Weir        make test   install what tests need and run all of them
# make check  format, vet, floors, docs   make bench  side by side with peers       make fuzz T=10m
.PHONY: run build cross test test-peers screenshots check web-test bench fuzz show soak clean
SHELL := /bin/bash
GO := go
T ?= 10m

run:
	@./run

build:
	@sh scripts/build

# Whether it builds wherever it may run; Linux is what is tested and measured.
cross:
	@for t in linux/amd64 linux/arm64 linux/arm linux/386 linux/loong64 linux/riscv64 darwin/arm64 freebsd/amd64; do \
	echo $$t; GOOS=$${t%/*} GOARCH=$${t#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/weir || exit 1; done

# Everything that CI runs. The Go tests come last, so that the run ends with their totals.
test:
	@sh scripts/need test
	@sh scripts/test-deps
	@sh scripts/build
	@$(MAKE) --no-print-directory check web-test
	@npm ci --prefix test/e2e/judge --no-audit --no-fund --loglevel=error
	@set -o pipefail; $(GO) test -race -timeout 20m -json $$($(GO) list ./... | grep -v /test/e2e) > test/.unit.json; a=$$?; \
	$(GO) test -timeout 20m -count 1 -json ./test/e2e/... > test/.e2e.json; b=$$?; \
	$(GO) run ./test/totals test/.unit.json test/.e2e.json; exit $$((a|b))

# The heavy outside programs: OBS and VLC.
test-peers:
	@sh scripts/need test
	@sh scripts/test-deps
	@sh scripts/peer-deps
	@sh scripts/build
	@npm ci --prefix test/e2e/judge --no-audit --no-fund --loglevel=error
	@WEIR_PEERS=1 $(GO) test -count 1 -v -timeout 20m -run 'TestShow_2_4_|TestShow_3_1_Clip' ./test/e2e

# The pictures of the READMEs, from the running binary.
screenshots:
	@sh scripts/test-deps
	@sh scripts/screenshots

check:
	@sh scripts/check

web-test:
	@cd web && npm run --silent lint && npm run --silent check && npm test --silent

bench:
	@sh scripts/build
	@$(GO) run ./bench

fuzz:
	@T=$(T) sh scripts/fuzz

# One line of an issue: make show L=2.1
show:
	@sh scripts/build
	@WEIR_LONG=1 $(GO) test -count 1 -v -timeout 60m -run 'TestShow_$(subst .,_,$(L))_' ./...

# The long forms of all lines, or of one: make soak L=3.2
soak:
	@sh scripts/test-deps
	@sh scripts/build
	@L=$(L) sh scripts/soak

clean:
	rm -rf bin internal/console/dist/assets internal/console/dist/*.html.* internal/console/dist/.built
