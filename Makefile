# Two targets matter to a newcomer: `make demo` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help demo check test audit down fmt crds

WORLD = cargo run --locked -q -p leaseport-e2e --bin leaseport-world --

help: ## What can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

check: ## Formatting, lints, unit and property tests: no cluster, no chain
	@bash e2e/ladder.sh format clippy core world-unit

test: ## The whole ladder on real parts; installs what it needs
	@bash e2e/ladder.sh format clippy deny core world-unit contracts prepare world lease

audit: ## Licences, banned crates, sources and known vulnerabilities of our dependencies; clones the advisory database
	@bash e2e/deny.sh bans licenses sources advisories

demo: ## One paid GPU lease from order to balance sheet, on real parts; leaves all of it running
	@$(WORLD) demo

down: ## Ends the world that `make demo` or `leaseport-world up` left running
	@$(WORLD) down

fmt: ## Formats all sources
	@cargo fmt --all

crds: ## Writes crds/ from the code
	@cargo run --locked -q -p leaseport --bin leaseport -- crds --output-dir crds
