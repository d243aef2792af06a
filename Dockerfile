# The leaseport image: one binary, the shared libraries it names, certificates of public authorities, nothing else. No shell, no package
# manager, no writable path. docs/image.md says how to build it, what is measured, and how tests build it from this very file.
#
#   docker build -t leaseport:0.1.0 .        (or `make image`)

# The release of rust-toolchain.toml; tests/image.rs compares.
FROM rust:1.95.0-slim-bookworm AS toolchain

# Dependencies alone, in a layer that stays as long as the manifests do. The other members of the workspace are not built, but cargo
# wants to see the targets they name.
FROM toolchain AS dependencies
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY e2e/Cargo.toml e2e/
COPY evm/Cargo.toml evm/
RUN mkdir -p src e2e/src e2e/tests/lease evm/src \
 && echo '//! Empty.' | tee src/lib.rs evm/src/lib.rs e2e/src/lib.rs e2e/src/main.rs e2e/tests/lease/main.rs > src/main.rs \
 && echo 'fn main() {}' >> src/main.rs \
 && cargo build --release --locked -p leaseport --bin leaseport

FROM dependencies AS compiled
COPY contracts/abi contracts/abi
COPY src src
# Newer than what was built from the empty sources, whatever time the copies bear.
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked -p leaseport --bin leaseport

# A stage of its own, so that a binary built elsewhere can take its place: `buildah build --build-context binary=FOLDER`.
FROM scratch AS binary
COPY --from=compiled /build/target/release/leaseport /leaseport

# The libraries are those the binary names itself, at the places where its loader looks for them.
FROM toolchain AS root
COPY --from=binary /leaseport /root-of-image/usr/bin/leaseport
COPY LICENSE /root-of-image/usr/share/doc/leaseport/LICENSE
RUN set -eu; cd /root-of-image; \
    chmod 0755 usr/bin/leaseport; \
    ldd usr/bin/leaseport > /libraries; \
    if grep 'not found' /libraries; then exit 1; fi; \
    for library in $(grep -o '/[^ ]*' /libraries) /etc/ssl/certs/ca-certificates.crt; do cp --dereference --parents "$library" .; done; \
    echo 'leaseport:x:65532:65532:leaseport:/:/usr/bin/false' > etc/passwd; \
    echo 'leaseport:x:65532:' > etc/group

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="leaseport" \
      org.opencontainers.image.description="Kubernetes operator that connects GPU clusters to a decentralized compute market on any EVM chain" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=root /root-of-image /
USER 65532:65532
ENTRYPOINT ["/usr/bin/leaseport"]
