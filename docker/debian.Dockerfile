# A plain Debian that runs exactly `make demo`. Build from the checkout's root:
#   docker build -f docker/debian.Dockerfile -t exostride .
ARG BASE=debian:12.11-slim@sha256:b1a741487078b369e78119849663d7f1a5341ef2768798f7b7406c4240f86aef
FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl git make procps xvfb \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 exostride
ENV EXOSTRIDE_GAZEBO_ROOT=/opt/exostride-gazebo
WORKDIR /home/exostride/checkout
COPY . .
# The same scripts as `make demo` and `make test` run; root is needed for apt and debootstrap only.
RUN tools/bootstrap.sh && apt-get clean && rm -rf /var/lib/apt/lists/*
ARG GAZEBO=1
RUN if [ "$GAZEBO" = 1 ]; then tools/gazebo.sh install; fi
RUN chown -R exostride:exostride /home/exostride
USER exostride
HEALTHCHECK --interval=5m --timeout=30s CMD .venv/bin/exostride doctor --json >/dev/null || exit 1
CMD ["make", "demo"]
