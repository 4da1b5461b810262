# The words a person types. `make` alone lists them.

# What is installed for this project stays out of the checkout, so that a fresh clone starts warm.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/postern
DENY_VERSION := 0.20.2
FUZZ_VERSION := 0.13.2
FUZZ_SECONDS := 60
CYCLONEDX_VERSION := 0.5.9

.PHONY: help run test playground bench fuzz lint image replicas release tools

help: ## list these words
	@sed -n 's/^\([a-z]*\): .*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: ## serve on loopback with certificates, example policies and a ledger made here
	@tests/prepare.sh run
	cargo run --locked -- serve --dev

# Most tests wait for servers that they have started, and need no core meanwhile.
test: export RUST_TEST_THREADS := $(or $(RUST_TEST_THREADS),$(shell n=$$(nproc); echo $$((n > 4 ? n : 4))))
test: ## every test, a real API server and (as root on Debian) a real node included
	@tests/prepare.sh test
	cargo test --locked

playground: ## a real API server with Postern in front, to try kubectl debug on
	@tests/prepare.sh test
	cargo build --locked
	cargo run --locked --example playground

bench: ## how fast a decision is, and how much a request over TLS costs
	@tests/prepare.sh run
	cargo bench --locked --bench decision
	cargo bench --locked --bench load
	cargo bench --locked --bench ledger
	cargo bench --locked --bench search
	tests/cluster/build.sh etcd kube-apiserver kubectl >/dev/null
	cargo bench --locked --bench apiserver

fuzz: $(CACHE)/tools/bin/cargo-fuzz ## each fuzz target for a minute (FUZZ_SECONDS=60)
	@tests/fuzz/run.sh $(FUZZ_SECONDS)

release: tools ## the archive, its checksums and the kubectl plugin's manifest, in target/dist
	@tests/release.sh

image: tools ## the container image, as an archive in target/image
	@deploy/image/build.sh

replicas: ## three servers in a real cluster under load, while they are updated, drained, killed
	@tests/prepare.sh test
	cargo test --locked --test whole -- --nocapture replicas

lint: $(CACHE)/tools/bin/cargo-deny ## format, clippy, licences and banned crates
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	$(CACHE)/tools/bin/cargo-deny --locked check bans licenses sources

tools: $(CACHE)/tools/bin/cargo-cyclonedx

$(CACHE)/tools/bin/cargo-cyclonedx:
	cargo install --locked cargo-cyclonedx --version $(CYCLONEDX_VERSION) --root $(CACHE)/tools

$(CACHE)/tools/bin/cargo-deny:
	cargo install --locked cargo-deny --version $(DENY_VERSION) --root $(CACHE)/tools

$(CACHE)/tools/bin/cargo-fuzz:
	cargo install --locked cargo-fuzz --version $(FUZZ_VERSION) --root $(CACHE)/tools
