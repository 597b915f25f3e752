# The images of AOB for people who have Docker: docker build --target aob-runner .
# `cargo xtask images` makes the same without a container engine.
FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /aob
COPY . .
RUN cargo build --release --workspace --bins \
    && for one in aob aob-gateway aob-node aob-operator aob-runner; do strip --strip-debug "target/release/$one"; done

FROM gcr.io/distroless/cc-debian12:nonroot AS base
USER 65532:65532

FROM base AS aob
COPY --from=build /aob/target/release/aob /usr/bin/
ENTRYPOINT ["/usr/bin/aob"]

FROM base AS aob-gateway
COPY --from=build /aob/target/release/aob-gateway /usr/bin/
ENTRYPOINT ["/usr/bin/aob-gateway"]

FROM base AS aob-node
COPY --from=build /aob/target/release/aob-node /usr/bin/
ENTRYPOINT ["/usr/bin/aob-node"]

FROM base AS aob-operator
COPY --from=build /aob/target/release/aob-operator /usr/bin/
ENTRYPOINT ["/usr/bin/aob-operator"]

FROM base AS aob-runner
COPY --from=build /aob/target/release/aob-runner /usr/bin/
ENTRYPOINT ["/usr/bin/aob-runner"]
