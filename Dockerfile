# The leaseport image: one binary, the shared libraries it names, certificates of public authorities, nothing else. No shell, no package
# manager, no writable path. docs/image.md says how to build it, what is measured, and how tests build it from this very file.
#
#   docker build -t leaseport:0.1.0 .                          (or `make image`)
#   docker buildx build --platform linux/amd64,linux/arm64 .   (both are compiled where the build runs, without emulation)

# The release of rust-toolchain.toml on Debian 12, for every architecture. tests/image.rs compares; docs/releasing.md says how to renew it.
ARG TOOLCHAIN=docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082

FROM --platform=$BUILDPLATFORM $TOOLCHAIN AS toolchain
ARG TARGETARCH
# What compiles for another architecture than the one this runs on. Builders that know no TARGETARCH build for their own.
RUN set -eu; \
    case "$(uname -m)-$TARGETARCH" in \
      x86_64-amd64 | aarch64-arm64 | *-) ;; \
      x86_64-arm64) \
        apt-get update -qq; \
        apt-get install -qq --no-install-recommends gcc-aarch64-linux-gnu=4:12.2.0-3 libc6-dev-arm64-cross=2.36-8cross1; \
        rustup target add aarch64-unknown-linux-gnu ;; \
      *) echo "on $(uname -m) for '$TARGETARCH': build on amd64, or on arm64 for itself" >&2; exit 1 ;; \
    esac

# Dependencies alone, in a layer that stays as long as the manifests do. The other members of the workspace are not built, but cargo
# wants to see the targets they name.
FROM toolchain AS dependencies
ARG TARGETARCH
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY e2e/Cargo.toml e2e/
COPY evm/Cargo.toml evm/
COPY release/compile.sh release/
RUN mkdir -p src e2e/src e2e/tests/lease evm/src \
 && echo '//! Empty.' | tee src/lib.rs evm/src/lib.rs e2e/src/lib.rs e2e/src/main.rs e2e/tests/lease/main.rs > src/main.rs \
 && echo 'fn main() {}' >> src/main.rs \
 && release/compile.sh "$TARGETARCH"

FROM dependencies AS compiled
# Said anew: an argument ends with its stage.
ARG TARGETARCH
COPY contracts/abi contracts/abi
COPY src src
# Newer than what was built from the empty sources, whatever time the copies bear.
RUN touch src/lib.rs src/main.rs \
 && release/compile.sh "$TARGETARCH" /compiled

# A stage of its own, so that a binary built elsewhere can take its place: `buildah build --build-context binary=FOLDER`. It is also what a
# release takes the binary from: `docker buildx build --target binary --output FOLDER`.
FROM scratch AS binary
COPY --from=compiled /compiled/leaseport /leaseport

# The libraries are of the image's own architecture, from the same Debian; nothing in this stage is run.
FROM $TOOLCHAIN AS libraries

FROM --platform=$BUILDPLATFORM $TOOLCHAIN AS root
COPY --from=binary /leaseport /root-of-image/usr/bin/leaseport
COPY LICENSE /root-of-image/usr/share/doc/leaseport/LICENSE
COPY release/root.sh /release/
RUN --mount=type=bind,from=libraries,target=/libraries /release/root.sh /root-of-image /libraries

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
