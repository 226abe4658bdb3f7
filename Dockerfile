# syntax=docker/dockerfile:1
# Two stages: build with a layer of dependencies that changes only with Cargo.lock, then nothing but the program and what it
# reads. A build argument names the base, for mirrors and for pinning by digest. script/image-trial obeys every line here
# without Docker.
ARG BUILD_IMAGE=docker.io/library/rust:1-slim-trixie

FROM ${BUILD_IMAGE} AS build
# aws-lc-rs compiles C; the root certificates are for the image.
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# rust-toolchain.toml stays outside: it would have rustup fetch a toolchain beside that of the base.
ENV CARGO_TERM_COLOR=never

# The dependencies alone: an empty crate with our manifest. This layer lasts until the manifest or the lock file changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it tests/crash benches/worker \
 && echo 'fn main() {}' | tee src/main.rs tests/it/main.rs tests/crash/main.rs benches/core.rs benches/worker/main.rs > /dev/null \
 && touch src/lib.rs \
 && cargo build --release --locked --bin mendline \
 && rm -rf src target/release/deps/*mendline* target/release/mendline* target/release/.fingerprint/mendline-*

COPY migrations migrations
COPY protocols protocols
COPY openapi.yaml ./
COPY src src
RUN cargo build --release --locked --bin mendline
COPY script/image-root script/image-root
RUN script/image-root target/release/mendline image

# No shell, no package, no file that somebody could write.
FROM scratch
COPY --from=build /src/image /
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/mendline/
USER 10001:10001
# All state is in Postgres: the root file system may be read-only.
ENV MENDLINE_ENV=production \
    MENDLINE_BIND=0.0.0.0:8080 \
    MENDLINE_OPS_BIND=0.0.0.0:9090
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/usr/local/bin/mendline", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/mendline"]
CMD ["serve"]
