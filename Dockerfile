# For machines with a Docker engine. `cargo xtask image` builds the same image without an engine and without the image below.
# The compiler's image by digest, so that the same bytes build tomorrow: --build-arg RUST=docker.io/library/rust@sha256:...
# (`docker buildx imagetools inspect rust:1.95-slim-bookworm` tells it).
ARG RUST=docker.io/library/rust:1.95-slim-bookworm
FROM ${RUST} AS build
WORKDIR /src
COPY . .
# With an explicit target the flags reach no build scripts.
RUN RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static --remap-path-prefix=/usr/local/cargo=/cargo" \
    cargo build --locked --release --target x86_64-unknown-linux-gnu --package emqx-operator
RUN cargo run --locked --package xtask -- notices --out /licenses

FROM scratch
COPY --from=build --chown=0:0 --chmod=0755 /src/target/x86_64-unknown-linux-gnu/release/emqx-operator /emqx-operator
COPY --from=build --chown=0:0 /licenses /licenses
USER 65532:65532
ENTRYPOINT ["/emqx-operator"]
