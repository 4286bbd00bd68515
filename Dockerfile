# For those who have a Docker engine. `cargo xtask image` builds the same image without one.
FROM rust:1.95-slim AS build
WORKDIR /src
COPY . .
# With a target of its own the flags reach no build scripts.
RUN RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static --remap-path-prefix=/usr/local/cargo=/cargo" \
    cargo build --locked --release --target x86_64-unknown-linux-gnu --package emqx-operator

FROM scratch
COPY --from=build --chown=0:0 --chmod=0755 /src/target/x86_64-unknown-linux-gnu/release/emqx-operator /emqx-operator
USER 65532:65532
ENTRYPOINT ["/emqx-operator"]
