# Two targets matter to a newcomer: `make demo` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help demo bench check test life audit down twin-long prove fuzz coverage slither mutants branches image reproducible sbom fmt crds metrics manifests chart-other-versions

WORLD = cargo run --locked -q -p leaseport-e2e --bin leaseport-world --

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

check: ## Formatting, lints, unit and property tests: no cluster, no chain; of the twin's 500 traces 100
	@TWIN_TRACES=$${TWIN_TRACES:-100} bash e2e/ladder.sh format clippy core world-unit

test: ## The whole ladder on real parts; installs what it needs
	@bash e2e/ladder.sh format clippy deny core sight world-unit contracts prepare chart served publishing world lease release life

life: ## Fifty leases on a real node through upgrades from the last chart, lost leaders and a restore; part of make test
	@bash e2e/ladder.sh prepare life

audit: ## Licences, banned crates, sources and known vulnerabilities of our dependencies; clones the advisory database
	@bash e2e/deny.sh bans licenses sources advisories

demo: ## One paid GPU lease from order to balance sheet, on real parts; leaves all of it running
	@$(WORLD) demo

bench: ## Measures every bar of docs/benchmarks.md with the release build, and writes the figures there
	@cargo run --locked -q --release -p leaseport-e2e --bin leaseport-world -- --name bench bench

down: ## Ends the world that `make demo` or `leaseport-world up` left running
	@$(WORLD) down

twin-long: ## 10,000 random traces of the money, model against bytecode (TWIN_SEED=N begins elsewhere)
	@TWIN_TRACES=$${TWIN_TRACES:-10000} cargo test --locked -p leaseport --test twin -- --nocapture

prove: ## Proves the lemmas of contracts/test/symbolic for all inputs; installs halmos
	@bash contracts/tools/halmos.sh

fuzz: ## The contracts' invariants and fuzz tests for hours (FUZZ_RUNS, FUZZ_DEPTH, FUZZ_SEED); after contracts/check.sh
	@bash contracts/tools/fuzz.sh

coverage: ## Branches and lines that the contracts' tests take, against their bars; after contracts/check.sh
	@bash contracts/tools/coverage.sh

slither: ## Static analysis of the contracts; installs slither
	@bash contracts/check.sh --tools && bash contracts/tools/slither.sh

mutants: ## Whether the contracts' tests notice mistakes: MUTANTS="--sample N --seed S" runs some; writes contracts/mutants/report.md
	@bash contracts/check.sh --tools && bash contracts/tools/mutants.sh run $(MUTANTS)

branches: ## Whether the contracts' tests notice both outcomes of every branch; writes contracts/mutants/branches.md
	@bash contracts/check.sh --tools && bash contracts/tools/mutants.sh run --branches $(MUTANTS)

chart-other-versions: ## The chart and the definitions on Kubernetes 1.35 and 1.37 (VERSIONS=1.35 for one); builds each control plane once, which takes long
	@for version in $${VERSIONS:-1.35 1.37}; do \
	  LEASEPORT_KUBERNETES=$$version bash e2e/ladder.sh chart served || failed="$$failed $$version"; \
	done; [ -z "$$failed" ] || { echo "make chart-other-versions: failed on$$failed" >&2; exit 1; }

image: ## The container image, from the Dockerfile, by docker, podman or buildah
	@builder=$$(command -v docker || command -v podman || command -v buildah) \
	  || { echo "make image: none of docker, podman and buildah is installed" >&2; exit 1; }; \
	case $$builder in */docker) fixed=--build-arg=SOURCE_DATE_EPOCH=0 ;; *) fixed=--timestamp=0 ;; esac; \
	"$$builder" build $$fixed --build-arg=VERSION=$(VERSION) --build-arg=REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
	  --tag leaseport:$(VERSION) .

reproducible: ## Compiles the release twice, by the Dockerfile and in another folder, and compares; with arm64 as well: ARM64=1; needs root
	@bash release/reproduce.sh all $(if $(ARM64),arm64)

sbom: ## The bill of materials of the released binary (CycloneDX) in target/leaseport-ARCH.cdx.json
	@mkdir -p target
	@for arch in amd64 arm64; do bash release/sbom.sh $$arch > target/leaseport-$$arch.cdx.json && echo target/leaseport-$$arch.cdx.json; done

fmt: ## Formats all sources
	@cargo fmt --all

metrics: ## Writes docs/metrics.md from the code
	@LEASEPORT_WRITE=1 cargo test --locked -q -p leaseport --test sight the_page_of_metrics_is_the_registry

crds: ## Writes crds/ from the code
	@cargo run --locked -q -p leaseport --bin leaseport -- crds --output-dir crds
	@cp crds/*.yaml charts/leaseport/files/crds/

manifests: ## Writes deploy/ and the table of values in charts/leaseport/README.md from the chart
	@LEASEPORT_WRITE=1 cargo test --locked -q -p leaseport --test chart
	@LEASEPORT_WRITE=1 cargo test --locked -q -p leaseport-e2e --test chart manifests
