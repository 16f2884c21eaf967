# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
# The image's own toolchain; without this rustup would load the one of rust-toolchain.toml as well.
ENV RUSTUP_TOOLCHAIN=1.95
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --workspace --release --bin flyball \
    && install -D target/release/flyball /out/usr/bin/flyball \
    && install -d -m 700 /out/var/lib/flyball

# C library, certificates of authorities, time zones, and a user without rights.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build --chown=nonroot:nonroot /out/var/lib/flyball /var/lib/flyball
COPY --from=build /out/usr/bin/flyball /usr/bin/flyball
USER nonroot
ENV FLYBALL_DATA=/var/lib/flyball
VOLUME /var/lib/flyball
EXPOSE 8480 4317 4318
STOPSIGNAL SIGTERM
# With TLS name the server by FLYBALL_SERVER.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5m CMD ["/usr/bin/flyball", "ready"]
ENTRYPOINT ["/usr/bin/flyball"]
# Other machines are answered only once there is a token, which `token create` makes in the volume.
CMD ["serve", "--listen", "0.0.0.0:8480", "--listen", "0.0.0.0:4317", "--listen", "0.0.0.0:4318"]
