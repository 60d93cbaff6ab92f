# The one binary (make build comes first) in an image that has nothing else but the C library it names and a CA bundle.
#
#   make build && docker build -t ipcs .
#   docker run --network host -v /var/lib/ipcs:/var/lib/ipcs -v /run/ipcs:/run/ipcs -v /run/containerd:/run/containerd ipcs
#
# The sockets lie in /run/ipcs on the host, where its containerd finds them. DEBIAN is the release whose C library goes in:
# that of the machine which built the binary, or a newer one.
ARG DEBIAN=bookworm-slim

FROM debian:${DEBIAN} AS rootfs
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates
COPY artifacts/ipcs /rootfs/usr/bin/ipcs
# Each library lands where the binary's loader looks for it. `version` runs inside what was gathered: a library that is
# missing fails the build and not the first start.
RUN cd /rootfs && mkdir -p var/lib/ipcs run/ipcs etc/ssl/certs tmp && chmod 1777 tmp && chmod 750 run/ipcs && \
    for library in $(ldd usr/bin/ipcs | grep -o '/[^ ]*'); do install -D "$library" "/rootfs$library"; done && \
    cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ && \
    chroot /rootfs /usr/bin/ipcs version

FROM scratch
COPY --from=rootfs /rootfs /
EXPOSE 4001
VOLUME ["/var/lib/ipcs", "/run/ipcs"]
ENTRYPOINT ["/usr/bin/ipcs"]
CMD ["daemon"]
